"""The minimal gated recurrent unit, whose gates depend on the input alone."""

import keras
from keras import ops

from zoo.layers.linear_recurrence import LinearCell, LinearLayer, positive
from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class MinGRUCell(LinearCell):
    """One step of the minimal gated recurrent unit.

    With input `x`, state `h`, the logistic function `σ`, and `g(v) = v + 1/2` where `v >= 0`,
    otherwise `σ(v)`:

        z_t = σ(x_t W_z + b_z)
        h̃_t = g(x_t W_h + b_h)
        h_t = (1 - z_t) h_{t-1} + z_t h̃_t

    `kernel` is `[W_z, W_h]`, and `bias` has the same order. No gate depends on the state, so a
    layer solves one linear recurrence for all steps.

    Reference: L. Feng et al., "Were RNNs All We Needed?", 2024.

    Args:
        units: Positive integer, the size of the output and of the state.
        **kwargs: Arguments of `zoo.layers.SimpleRNNCell`. Settings of the activation and of the
            recurrent kernel have no effect, and `recurrent_dropout` must be 0. `max_timescale`
            sets where `b_z` starts.

    Call arguments and return values are those of `zoo.layers.SimpleRNNCell`.
    """

    num_blocks = 2
    native_cell = "min_gru"
    timescale_gates = {0: -1}

    def coefficients(self, projected: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        z, h_tilde = ops.split(projected, 2, axis=-1)
        z, h_tilde = ops.sigmoid(z), positive(h_tilde)
        return 1 - z, z * h_tilde, {"z": z, "h_tilde": h_tilde}


@keras.saving.register_keras_serializable(package="zoo")
class MinGRU(LinearLayer):
    """The minimal gated recurrent unit; see `MinGRUCell` for the equations.

    Args:
        units: Positive integer, the size of the output and of the state.
        **kwargs: Arguments of `zoo.layers.SimpleRNN`. Settings of the activation and of the
            recurrent kernel have no effect, and `recurrent_dropout` must be 0. `max_timescale`
            sets where `b_z` starts.

    Call arguments and return values are those of `zoo.layers.SimpleRNN`.
    """

    cell_class = MinGRUCell
    cell_name = "min_gru_cell"
