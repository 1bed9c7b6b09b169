"""Long short-term memory as first published, without a forget gate."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.layers.recurrence import GatedCell, RecurrentLayer, of_cell
from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class LSTM1997Cell(GatedCell):
    """One step of long short-term memory without a forget gate.

    With input `x`, output `h`, cell state `C` and the logistic function `σ`:

        i_t = σ(x_t W_i + h_{t-1} R_i + b_i)
        C̃_t = tanh(x_t W_c + h_{t-1} R_c + b_c)
        o_t = σ(x_t W_o + h_{t-1} R_o + b_o)
        C_t = C_{t-1} + i_t C̃_t
        h_t = o_t tanh(C_t)

    The paper squashes `C̃` into [-2, 2] and truncates the gradient; this cell does neither. `kernel`
    is `[W_i, W_c, W_o]`; `recurrent_kernel` and `bias` have the same order.

    Reference: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8),
    1997.

    Args:
        units: Positive integer, the size of the output and of each state.
        recurrent_activation: Activation of the gates, `sigmoid` by default.
        **kwargs: Arguments of `zoo.layers.SimpleRNNCell`.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of `h` and `C`, each of shape `(batch, units)`.
        training: Whether dropout applies.
    """

    num_blocks = 3
    state_names = ("h", "c")
    native_cell = "lstm_1997"

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.state_size = [units, units]

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        h, c = states
        i, c_tilde, o = ops.split(projected + recur(h), 3, axis=-1)
        i = self.recurrent_activation(i)
        c_tilde = self.activation(c_tilde)
        o = self.recurrent_activation(o)
        c = c + i * c_tilde
        return [o * self.activation(c), c], {"i": i, "c_tilde": c_tilde, "o": o}


@keras.saving.register_keras_serializable(package="zoo")
class LSTM1997(RecurrentLayer):
    """Long short-term memory without a forget gate; see `LSTM1997Cell` for the equations.

    Args:
        units: Positive integer, the size of the output and of each state.
        **kwargs: Arguments of `zoo.layers.LSTM`, except `unit_forget_bias` and `max_timescale`.

    Call arguments and return values are those of `zoo.layers.LSTM`.
    """

    cell_class = LSTM1997Cell
    cell_name = "lstm_1997_cell"

    recurrent_activation = of_cell("recurrent_activation")
