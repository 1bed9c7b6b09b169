"""Elman's simple recurrent network."""

from collections.abc import Callable
from typing import Any

import keras

from zoo.layers.recurrence import RecurrentCell, RecurrentLayer
from zoo.typing import Activation, Constraint, Initializer, Regularizer, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class SimpleRNNCell(RecurrentCell):
    """One step of Elman's simple recurrent network.

    With input `x` and state `h`:

        h_t = tanh(x_t W + h_{t-1} R + b)

    A drop-in for `keras.layers.SimpleRNNCell`, with its arguments and weights: `kernel` is `W`,
    `recurrent_kernel` is `R` and `bias` is `b`.

    Reference: J. L. Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Activation of the state, `tanh` by default. `None` is the identity.
        use_bias: Whether to add `b`.
        kernel_initializer: Initializer of `W`.
        recurrent_initializer: Initializer of `R`.
        bias_initializer: Initializer of `b`.
        kernel_regularizer: Regularizer of `W`.
        recurrent_regularizer: Regularizer of `R`.
        bias_regularizer: Regularizer of `b`.
        kernel_constraint: Constraint of `W`.
        recurrent_constraint: Constraint of `R`.
        bias_constraint: Constraint of `b`.
        dropout: Float in [0, 1], the fraction of `x` to drop, with the same mask at every step.
        recurrent_dropout: Float in [0, 1], the fraction of `h_{t-1}` to drop, with the same mask
            at every step.
        seed: Integer, the seed of the dropout masks.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: The state `h`, `(batch, units)`, alone or in a list.
        training: Whether dropout applies.

    Returns:
        A tuple of the output, `(batch, units)`, and the new state, in a list if it came in one.

    Examples:
        >>> cell = zoo.layers.SimpleRNNCell(4)
        >>> output, [h] = cell(np.ones((2, 3)), cell.get_initial_state(batch_size=2))
    """

    native_cell = "simple_rnn"
    adds_product = True

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        (h,) = states
        return [self.activation(projected + recur(h))], {}

    def linearize(
        self, projected: Tensor, product: Tensor, before: list[Tensor], after: list[Tensor]
    ) -> list[Tensor]:
        (h,) = after
        return [1 - h * h]

    def vector_jacobian_product(
        self, d_after: list[Tensor], coefficients: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        (d_h,) = d_after
        (sum_by_h,) = coefficients
        d_sum = d_h * sum_by_h
        return d_sum, d_sum, [None]


@keras.saving.register_keras_serializable(package="zoo")
class SimpleRNN(RecurrentLayer):
    """Elman's simple recurrent network; see `SimpleRNNCell` for the equations.

    A drop-in for `keras.layers.SimpleRNN`, with its arguments and weights.

    Args:
        units: Positive integer, the size of the output and of the state.
        activation: Activation of the state, `tanh` by default. `None` is the identity.
        use_bias: Whether to add `b`.
        kernel_initializer: Initializer of `W`.
        recurrent_initializer: Initializer of `R`.
        bias_initializer: Initializer of `b`.
        kernel_regularizer: Regularizer of `W`.
        recurrent_regularizer: Regularizer of `R`.
        bias_regularizer: Regularizer of `b`.
        kernel_constraint: Constraint of `W`.
        recurrent_constraint: Constraint of `R`.
        bias_constraint: Constraint of `b`.
        dropout: Float in [0, 1], the fraction of `x` to drop, with the same mask at every step.
        recurrent_dropout: Float in [0, 1], the fraction of `h_{t-1}` to drop, with the same mask
            at every step.
        seed: Integer, the seed of the dropout masks.
        activity_regularizer: Regularizer of the output.
        return_sequences: Whether to return the output of every step instead of the last one.
        return_state: Whether to return the last state after the output.
        go_backwards: Whether to process the sequence backwards, and return it reversed.
        stateful: Whether the last state is the initial state of the next batch.
        unroll: Whether to unroll the loop. The number of time steps must then be known.
        **kwargs: `zero_output_for_mask`, `name`, `dtype`, `trainable`.

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
        >>> layer = zoo.layers.SimpleRNN(4, return_sequences=True)
        >>> tuple(layer(np.ones((2, 5, 3))).shape)
        (2, 5, 4)
    """

    cell_class = SimpleRNNCell
    cell_name = "simple_rnn_cell"

    def __init__(
        self,
        units: int,
        activation: Activation = "tanh",
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
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            units,
            activation=activation,
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
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            seed=seed,
            **kwargs,
        )
