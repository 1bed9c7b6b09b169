"""Long short-term memory."""

from collections.abc import Callable
from typing import Any, Literal

import keras
from keras import ops

from zoo.layers.recurrence import CuDNNLayer, GatedCell, RecurrentCell, of_cell
from zoo.typing import Activation, Constraint, Initializer, Regularizer, Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class LSTMCell(GatedCell):
    """One step of long short-term memory, with a forget gate.

    With input `x`, output `h`, cell state `C` and the logistic function `σ`:

        i_t = σ(x_t W_i + h_{t-1} R_i + b_i)
        f_t = σ(x_t W_f + h_{t-1} R_f + b_f)
        C̃_t = tanh(x_t W_c + h_{t-1} R_c + b_c)
        o_t = σ(x_t W_o + h_{t-1} R_o + b_o)
        C_t = f_t C_{t-1} + i_t C̃_t
        h_t = o_t tanh(C_t)

    A drop-in for `keras.layers.LSTMCell`, with its arguments and weights: `kernel` is
    `[W_i, W_f, W_c, W_o]`; `recurrent_kernel` and `bias` have the same order.

    References: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8),
    1997; for the forget gate, F. Gers, J. Schmidhuber and F. Cummins, "Learning to Forget:
    Continual Prediction with LSTM", Neural Computation 12(10), 2000.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Activation of `C̃`, and of `C` in the equation of `h`, `tanh` by default.
            `None` is the identity.
        recurrent_activation: Activation of the gates, `sigmoid` by default.
        use_bias: Whether to add `b`.
        kernel_initializer: Initializer of `W`.
        recurrent_initializer: Initializer of `R`.
        bias_initializer: Initializer of `b`.
        unit_forget_bias: Whether the bias of the forget gate starts at one (R. Jozefowicz,
            W. Zaremba and I. Sutskever, "An Empirical Exploration of Recurrent Network
            Architectures", ICML 2015).
        kernel_regularizer: Regularizer of `W`.
        recurrent_regularizer: Regularizer of `R`.
        bias_regularizer: Regularizer of `b`.
        kernel_constraint: Constraint of `W`.
        recurrent_constraint: Constraint of `R`.
        bias_constraint: Constraint of `b`.
        dropout: Float in [0, 1], the fraction of `x` to drop, with the same mask at every step.
        recurrent_dropout: Float in [0, 1], the fraction of `h_{t-1}` to drop, with the same mask
            at every step but a different one for each gate.
        seed: Integer, the seed of the dropout masks.
        **kwargs: `name`, `dtype`, `trainable`; `implementation`: with 1, each gate has its own
            dropout mask of `x`; and `max_timescale`: the longest dependency of the data in steps,
            from which `b_f` and `b_i` start, whatever `unit_forget_bias`; see
            `zoo.layers.ChronoLSTM`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of `h` and `C`, each of shape `(batch, units)`.
        training: Whether dropout applies.

    Returns:
        A tuple of the output, `(batch, units)`, and the list of the new `h` and `C`.

    Examples:
        >>> cell = zoo.layers.LSTMCell(4)
        >>> output, [h, c] = cell(np.ones((2, 3)), cell.get_initial_state(batch_size=2))
    """

    num_blocks = 4
    state_names: tuple[str, ...] = ("h", "c")
    native_cell = "lstm"
    forget_gate = 1
    timescale_gates = {0: -1, 1: 1}
    adds_product = True

    def __init__(
        self,
        units: int,
        activation: Activation = "tanh",
        recurrent_activation: Activation = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
        bias_initializer: Initializer = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Regularizer = None,
        recurrent_regularizer: Regularizer = None,
        bias_regularizer: Regularizer = None,
        kernel_constraint: Constraint = None,
        recurrent_constraint: Constraint = None,
        bias_constraint: Constraint = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
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
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]

    def add_bias(
        self,
        shape: Shape,
        initializer: Callable[..., Tensor] | None = None,
        name: str = "bias",
    ) -> keras.Variable:
        if initializer is None and self.unit_forget_bias:
            initializer = self._forget_bias_of_one
        return super().add_bias(shape, initializer, name)

    def _forget_bias_of_one(self, shape, dtype=None):
        units = shape[0] // self.num_blocks
        before = self.forget_gate * units
        return ops.concatenate(
            [
                self.bias_initializer((before,), dtype=dtype),
                ops.ones((units,), dtype=dtype),
                self.bias_initializer((shape[0] - before - units,), dtype=dtype),
            ]
        )

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        h, c = states
        i, f, c_tilde, o = ops.split(projected + recur(h), 4, axis=-1)
        i = self.recurrent_activation(i)
        f = self.recurrent_activation(f)
        c_tilde = self.activation(c_tilde)
        o = self.recurrent_activation(o)
        c = f * c + i * c_tilde
        return [o * self.activation(c), c], {"i": i, "f": f, "c_tilde": c_tilde, "o": o}

    def linearize(
        self, projected: Tensor, product: Tensor, before: list[Tensor], after: list[Tensor]
    ) -> list[Tensor]:
        i, f, c_tilde, o = ops.split(projected + product, 4, axis=-1)
        i, f, o = ops.sigmoid(i), ops.sigmoid(f), ops.sigmoid(o)
        c_tilde, tanh_c = ops.tanh(c_tilde), ops.tanh(after[1])
        sum_by_state = ops.concatenate(
            [
                i * (1 - i) * c_tilde,
                f * (1 - f) * before[1],
                i * (1 - c_tilde * c_tilde),
                o * (1 - o) * tanh_c,
            ],
            axis=-1,
        )
        return [sum_by_state, o * (1 - tanh_c * tanh_c), f]

    def vector_jacobian_product(
        self, d_after: list[Tensor], coefficients: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        d_h, d_c = d_after
        sum_by_state, c_by_h, f = coefficients
        d_c = d_c + d_h * c_by_h
        d_sum = ops.concatenate([d_c, d_c, d_c, d_h], axis=-1) * sum_by_state
        return d_sum, d_sum, [None, d_c * f]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}


@keras.saving.register_keras_serializable(package="zoo")
class LSTM(CuDNNLayer, keras.layers.LSTM):
    """Long short-term memory; see `LSTMCell` for the equations.

    A drop-in for `keras.layers.LSTM`, with its arguments and weights.

    Args:
        units: Positive integer, the size of the output and of each state.
        activation: Activation of `C̃`, and of `C` in the equation of `h`, `tanh` by default.
            `None` is the identity.
        recurrent_activation: Activation of the gates, `sigmoid` by default.
        use_bias: Whether to add `b`.
        kernel_initializer: Initializer of `W`.
        recurrent_initializer: Initializer of `R`.
        bias_initializer: Initializer of `b`.
        unit_forget_bias: Whether the bias of the forget gate starts at one (R. Jozefowicz,
            W. Zaremba and I. Sutskever, "An Empirical Exploration of Recurrent Network
            Architectures", ICML 2015).
        kernel_regularizer: Regularizer of `W`.
        recurrent_regularizer: Regularizer of `R`.
        bias_regularizer: Regularizer of `b`.
        kernel_constraint: Constraint of `W`.
        recurrent_constraint: Constraint of `R`.
        bias_constraint: Constraint of `b`.
        dropout: Float in [0, 1], the fraction of `x` to drop, with the same mask at every step.
        recurrent_dropout: Float in [0, 1], the fraction of `h_{t-1}` to drop, with the same mask
            at every step but a different one for each gate.
        seed: Integer, the seed of the dropout masks.
        activity_regularizer: Regularizer of the output.
        return_sequences: Whether to return the output of every step instead of the last one.
        return_state: Whether to return the last states after the output.
        go_backwards: Whether to process the sequence backwards, and return it reversed.
        stateful: Whether the last states are the initial states of the next batch.
        unroll: Whether to unroll the loop. The number of time steps must then be known.
        use_cudnn: Whether to use cuDNN on a GPU: `"auto"` if it supports the call, `True`, or
            `False`. With `True`, a call that it does not support raises a `ValueError`.
        **kwargs: `zero_output_for_mask`, `name`, `dtype`, `trainable`, and `max_timescale`: the
            longest dependency of the data in steps, from which `b_f` and `b_i` start, whatever
            `unit_forget_bias`; see `zoo.layers.ChronoLSTM`.

    Call arguments:
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: List of the states `h` and `C` before the first step, each
            `(batch, units)`. Zeros if `None`.
        mask: Boolean tensor of shape `(batch, time)`. A step where it is `False` is skipped: it
            keeps the states and repeats the previous output, or outputs zeros if there is none.
            With `zero_output_for_mask` it always outputs zeros.
        training: Whether dropout applies.

    Returns:
        The output, `(batch, time, units)` with `return_sequences`, otherwise `(batch, units)`;
        with `return_state` a tuple of the output and `h` and `C`, each `(batch, units)`.

    Examples:
        >>> layer = zoo.layers.LSTM(4, return_state=True)
        >>> output, h, c = layer(np.ones((2, 5, 3)))
        >>> [tuple(tensor.shape) for tensor in (output, h, c)]
        [(2, 4), (2, 4), (2, 4)]
    """

    cell_class: type[RecurrentCell] = LSTMCell
    cell_name = "lstm_cell"
    backend_function = "lstm"

    def __init__(
        self,
        units: int,
        activation: Activation = "tanh",
        recurrent_activation: Activation = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Initializer = "glorot_uniform",
        recurrent_initializer: Initializer = "orthogonal",
        bias_initializer: Initializer = "zeros",
        unit_forget_bias: bool = True,
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
            unit_forget_bias=unit_forget_bias,
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
            use_cudnn=use_cudnn,
            **kwargs,
        )

    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")
