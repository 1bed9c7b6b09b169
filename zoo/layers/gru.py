"""The gated recurrent unit."""

from typing import Any, Literal

import keras
from keras import ops

from zoo.layers.recurrence import CuDNNLayer, GatedCell, of_cell
from zoo.typing import Activation, Constraint, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class GRUCell(GatedCell):
    """One step of the gated recurrent unit.

    With input `x`, state `h` and the logistic function `σ`:

        z_t = σ(x_t W_z + b_z + h_{t-1} R_z + d_z)
        r_t = σ(x_t W_r + b_r + h_{t-1} R_r + d_r)
        h̃_t = tanh(x_t W_h + b_h + r_t (h_{t-1} R_h + d_h))
        h_t = z_t h_{t-1} + (1 - z_t) h̃_t

    With `reset_after=False`, as in the paper, there is no `d`, and

        h̃_t = tanh(x_t W_h + b_h + (r_t h_{t-1}) R_h)

    A drop-in for `keras.layers.GRUCell`, with its arguments and weights: `kernel` is
    `[W_z, W_r, W_h]`, `recurrent_kernel` is `[R_z, R_r, R_h]`, and `bias` has the rows `b` and
    `d`, or is only `b` with `reset_after=False`.

    Reference: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for
    Statistical Machine Translation", EMNLP 2014.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Activation of `h̃`, `tanh` by default. `None` is the identity.
        recurrent_activation: Activation of the gates, `sigmoid` by default.
        use_bias: Whether to add `b`.
        kernel_initializer: Initializer of `W`.
        recurrent_initializer: Initializer of `R`.
        bias_initializer: Initializer of `b` and `d`.
        kernel_regularizer: Regularizer of `W`.
        recurrent_regularizer: Regularizer of `R`.
        bias_regularizer: Regularizer of `b` and `d`.
        kernel_constraint: Constraint of `W`.
        recurrent_constraint: Constraint of `R`.
        bias_constraint: Constraint of `b` and `d`.
        dropout: Float in [0, 1], the fraction of `x` to drop, with the same mask at every step.
        recurrent_dropout: Float in [0, 1], the fraction of `h_{t-1}` to drop, with the same mask
            at every step but a different one for each gate.
        reset_after: Whether the reset gate applies after the recurrent product, as above, instead
            of before it.
        seed: Integer, the seed of the dropout masks.
        **kwargs: `name`, `dtype`, `trainable`; `implementation`: with 1, each gate has its own
            dropout mask of `x`; and `max_timescale`: the longest dependency of the data in steps,
            from which `b_z` starts; see `zoo.layers.ChronoGRU`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: The state `h`, `(batch, units)`, alone or in a list.
        training: Whether dropout applies.

    Returns:
        A tuple of the output, `(batch, units)`, and the new state, in a list if it came in one.

    Examples:
        >>> cell = zoo.layers.GRUCell(4)
        >>> output, [h] = cell(np.ones((2, 3)), cell.get_initial_state(batch_size=2))
    """

    num_blocks = 3
    timescale_gates = {0: 1}
    adds_product = False

    def __init__(
        self,
        units: int,
        activation: Activation = "tanh",
        recurrent_activation: Activation = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        recurrent_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        recurrent_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            **kwargs,
        )
        self.reset_after = reset_after

    def add_bias(self, shape: Shape, *args: Any, **kwargs: Any) -> keras.Variable:
        return super().add_bias((2, *shape) if self.reset_after else shape, *args, **kwargs)

    @property
    def input_bias(self) -> Tensor | None:
        return self.bias[0] if self.use_bias and self.reset_after else self.bias

    def recurrent_product(self, training: bool = False) -> Any:  # type: ignore[override]
        """Returns `h -> h R + d`, or `h -> h [R_z, R_r]` and `h -> h R_h` if reset comes first."""
        if not self.reset_after:
            return (
                super().recurrent_product(training, 0, 2),
                super().recurrent_product(training, 2, 3),
            )
        product = super().recurrent_product(training)
        if not self.use_bias:
            return product
        d = self.bias[1]
        return lambda h: product(h) + d

    @property
    def native_cell(self) -> str:  # type: ignore[override]
        return "gru" if self.reset_after else "gru_reset_before"

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        arguments = super().native_arguments(sequences, training)
        if self.reset_after:
            return arguments
        kernel, recurrent_kernel, bias = arguments["weights"]
        r_zr, r_h = recurrent_kernel[:, : 2 * self.units], recurrent_kernel[:, 2 * self.units :]
        return {**arguments, "weights": [kernel, r_zr, bias, r_h]}

    def recurrent_weights(self, training: bool = False) -> list[Tensor]:
        return super().recurrent_weights(training) + ([self.bias[1]] if self.use_bias else [])

    @property
    def has_vector_jacobian_product(self) -> bool:
        return self.reset_after and super().has_vector_jacobian_product

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Any
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        (h,) = states
        x_zr, x_h = ops.split(projected, [2 * self.units], axis=-1)
        if self.reset_after:
            h_zr, h_h = ops.split(recur(h), [2 * self.units], axis=-1)
        else:
            recur_zr, recur_h = recur
            h_zr = recur_zr(h)
        z, r = ops.split(self.recurrent_activation(x_zr + h_zr), 2, axis=-1)
        h_tilde = self.activation(x_h + (r * h_h if self.reset_after else recur_h(r * h)))
        return [z * h + (1 - z) * h_tilde], {"z": z, "r": r, "h_tilde": h_tilde}

    def linearize(
        self, projected: Tensor, product: Tensor, before: list[Tensor], after: list[Tensor]
    ) -> list[Tensor]:
        (h,) = before
        x_z, x_r, x_h = ops.split(projected, 3, axis=-1)
        h_z, h_r, h_h = ops.split(product, 3, axis=-1)
        z, r = ops.sigmoid(x_z + h_z), ops.sigmoid(x_r + h_r)
        h_tilde = ops.tanh(x_h + r * h_h)
        z_by_h = (h - h_tilde) * z * (1 - z)
        h_tilde_by_h = (1 - z) * (1 - h_tilde * h_tilde)
        r_by_h = h_tilde_by_h * h_h * r * (1 - r)
        return [
            ops.concatenate([z_by_h, r_by_h, h_tilde_by_h], axis=-1),
            ops.concatenate([z_by_h, r_by_h, h_tilde_by_h * r], axis=-1),
            z,
        ]

    def vector_jacobian_product(
        self, d_after: list[Tensor], coefficients: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        (d_h,) = d_after
        projected_by_h, product_by_h, z = coefficients
        d_blocks = ops.tile(d_h, (1, 3))
        return d_blocks * projected_by_h, d_blocks * product_by_h, [d_h * z]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after}


@keras.saving.register_keras_serializable(package="zoo")
class GRU(CuDNNLayer, keras.layers.GRU):
    """The gated recurrent unit; see `GRUCell` for the equations.

    A drop-in for `keras.layers.GRU`, with its arguments and weights.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Activation of `h̃`, `tanh` by default. `None` is the identity.
        recurrent_activation: Activation of the gates, `sigmoid` by default.
        use_bias: Whether to add `b`.
        kernel_initializer: Initializer of `W`.
        recurrent_initializer: Initializer of `R`.
        bias_initializer: Initializer of `b` and `d`.
        kernel_regularizer: Regularizer of `W`.
        recurrent_regularizer: Regularizer of `R`.
        bias_regularizer: Regularizer of `b` and `d`.
        kernel_constraint: Constraint of `W`.
        recurrent_constraint: Constraint of `R`.
        bias_constraint: Constraint of `b` and `d`.
        dropout: Float in [0, 1], the fraction of `x` to drop, with the same mask at every step.
        recurrent_dropout: Float in [0, 1], the fraction of `h_{t-1}` to drop, with the same mask
            at every step but a different one for each gate.
        reset_after: Whether the reset gate applies after the recurrent product instead of before
            it.
        seed: Integer, the seed of the dropout masks.
        activity_regularizer: Regularizer of the output.
        return_sequences: Whether to return the output of every step instead of the last one.
        return_state: Whether to return the last state after the output.
        go_backwards: Whether to process the sequence backwards, and return it reversed.
        stateful: Whether the last state is the initial state of the next batch.
        unroll: Whether to unroll the loop. The number of time steps must then be known.
        use_cudnn: Whether to use cuDNN on a GPU: `"auto"` if it supports the call, `True`, or
            `False`. With `True`, a call that it does not support raises a `ValueError`.
        **kwargs: `zero_output_for_mask`, `name`, `dtype`, `trainable`, and `max_timescale`: the
            longest dependency of the data in steps, from which `b_z` starts; see
            `zoo.layers.ChronoGRU`.

    Call arguments:
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: The state `h` before the first step, `(batch, units)`, alone or in a list.
            Zeros if `None`.
        mask: Boolean tensor of shape `(batch, time)`. A step where it is `False` is skipped: it
            keeps the states and repeats the previous output, or outputs zeros if there is none.
            With `zero_output_for_mask` it always outputs zeros.
        training: Whether dropout applies.

    Returns:
        The output, `(batch, time, units)` with `return_sequences`, otherwise `(batch, units)`;
        with `return_state` a tuple of the output and `h`, `(batch, units)`.

    Examples:
        >>> layer = zoo.layers.GRU(4, return_sequences=True)
        >>> tuple(layer(np.ones((2, 5, 3))).shape)
        (2, 5, 4)
    """

    cell_class = GRUCell
    cell_name = "gru_cell"
    backend_function = "gru"

    def __init__(
        self,
        units: int,
        activation: Activation = "tanh",
        recurrent_activation: Activation = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
        bias_initializer: Initializer = "zeros",
        kernel_regularizer: Regularizer = None,
        recurrent_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        activity_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        recurrent_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: bool | Literal["auto"] = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            reset_after=reset_after,
            use_cudnn=use_cudnn,
            **kwargs,
        )

    recurrent_activation = of_cell("recurrent_activation")
    reset_after = of_cell("reset_after")
