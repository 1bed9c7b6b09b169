"""The minimal long short-term memory, whose gates depend on the input alone."""

import keras
from keras import ops

from zoo.layers.linear_recurrence import LinearCell, LinearLayer, positive
from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class MinLSTMCell(LinearCell):
    """One step of the minimal long short-term memory.

    With input `x`, state `h`, the logistic function `σ`, and `g(v) = v + 1/2` where `v >= 0`,
    otherwise `σ(v)`:

        f_t = σ(x_t W_f + b_f)
        i_t = σ(x_t W_i + b_i)
        h̃_t = g(x_t W_h + b_h)
        h_t = f_t / (f_t + i_t) h_{t-1} + i_t / (f_t + i_t) h̃_t

    `kernel` is `[W_f, W_i, W_h]`, and `bias` has the same order. No gate depends on the state, so
    a layer solves one linear recurrence for all steps.

    Reference: L. Feng et al., "Were RNNs All We Needed?", 2024.

    Args:
        units: Positive integer, the size of the output and of the state.
        **kwargs: Arguments of `zoo.layers.SimpleRNNCell`. Settings of the activation and of the
            recurrent kernel have no effect, and `recurrent_dropout` must be 0. `max_timescale`
            sets where `b_f` and `b_i` start.

    Call arguments and return values are those of `zoo.layers.SimpleRNNCell`.
    """

    num_blocks = 3
    native_cell = "min_lstm"
    timescale_gates = {0: 1, 1: -1}

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        f, i, h_tilde = ops.split(projected, 3, axis=-1)
        # f / (f + i) as σ(log(f) - log(i)), which never divides by zero.
        f = ops.sigmoid(ops.log_sigmoid(f) - ops.log_sigmoid(i))
        i, h_tilde = 1 - f, positive(h_tilde)
        return f, i * h_tilde, {"f": f, "i": i, "h_tilde": h_tilde}


@keras.saving.register_keras_serializable(package="zoo")
class MinLSTM(LinearLayer):
    """The minimal long short-term memory; see `MinLSTMCell` for the equations.

    Args:
        units: Positive integer, the size of the output and of the state.
        **kwargs: Arguments of `zoo.layers.SimpleRNN`. Settings of the activation and of the
            recurrent kernel have no effect, and `recurrent_dropout` must be 0. `max_timescale`
            sets where `b_f` and `b_i` start.

    Call arguments and return values are those of `zoo.layers.SimpleRNN`.
    """

    cell_class = MinLSTMCell
    cell_name = "min_lstm_cell"
