"""Long short-term memory that writes as much as it forgets."""

import keras
from keras import ops

from zoo.layers.lstm import LSTM, LSTMCell


@keras.saving.register_keras_serializable(package="zoo")
class CoupledLSTMCell(LSTMCell):
    """One step of long short-term memory with coupled input and forget gates.

    With the input `x`, the output `h` and the cell state `C`, and `σ` the logistic function:

        f_t = σ(x_t W_f + h_{t-1} R_f + b_f)
        C̃_t = tanh(x_t W_c + h_{t-1} R_c + b_c)
        o_t = σ(x_t W_o + h_{t-1} R_o + b_o)
        C_t = f_t C_{t-1} + (1 - f_t) C̃_t
        h_t = o_t tanh(C_t)

    `kernel` is `[W_f, W_c, W_o]`, and so are `recurrent_kernel` and `bias`.

    Reference: K. Greff et al., "LSTM: A Search Space Odyssey", IEEE TNNLS 28(10), 2017, where it is
    called CIFG.

    Args:
        units: Positive integer, the size of the output and of each state.
        **kwargs: Arguments of `zoo.layers.LSTMCell`.

    Call arguments and returns are those of `zoo.layers.LSTMCell`.
    """

    gates = 3
    forget_gate = 0

    def step(self, projected, states, recur):
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
    """Long short-term memory with coupled gates; `CoupledLSTMCell` has its equations.

    Arguments, call arguments and returns are those of `zoo.layers.LSTM`.
    """

    cell_class = CoupledLSTMCell
    cell_name = "coupled_lstm_cell"
