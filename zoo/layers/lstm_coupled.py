"""Long short-term memory with coupled input and forget gates."""

from collections.abc import Callable

import keras
from keras import ops

from zoo.layers.lstm import LSTM, LSTMCell
from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class CoupledLSTMCell(LSTMCell):
    """One step of long short-term memory with coupled input and forget gates.

    With input `x`, output `h`, cell state `C` and the logistic function `σ`:

        f_t = σ(x_t W_f + h_{t-1} R_f + b_f)
        C̃_t = tanh(x_t W_c + h_{t-1} R_c + b_c)
        o_t = σ(x_t W_o + h_{t-1} R_o + b_o)
        C_t = f_t C_{t-1} + (1 - f_t) C̃_t
        h_t = o_t tanh(C_t)

    `kernel` is `[W_f, W_c, W_o]`; `recurrent_kernel` and `bias` have the same order.

    Reference: K. Greff et al., "LSTM: A Search Space Odyssey", IEEE TNNLS 28(10), 2017, which calls
    it CIFG.

    Args:
        units: Positive integer, the size of the output and of each state.
        **kwargs: Arguments of `zoo.layers.LSTMCell`.

    Call arguments and return values are those of `zoo.layers.LSTMCell`.
    """

    num_blocks = 3
    native_cell = "lstm_coupled"
    forget_gate = 0
    timescale_gates = {0: 1}

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        h, c = states
        f, c_tilde, o = ops.split(projected + recur(h), 3, axis=-1)
        f = self.recurrent_activation(f)
        i = 1 - f
        c_tilde = self.activation(c_tilde)
        o = self.recurrent_activation(o)
        c = f * c + i * c_tilde
        return [o * self.activation(c), c], {"i": i, "f": f, "c_tilde": c_tilde, "o": o}


@keras.saving.register_keras_serializable(package="zoo")
class CoupledLSTM(LSTM):
    """Long short-term memory with coupled gates; see `CoupledLSTMCell` for the equations.

    Arguments, call arguments and return values are those of `zoo.layers.LSTM`.
    """

    cell_class = CoupledLSTMCell
    cell_name = "coupled_lstm_cell"
