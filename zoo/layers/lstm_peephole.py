"""Long short-term memory with peepholes from the cell state to the gates."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.layers.lstm import LSTM, LSTMCell
from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class PeepholeLSTMCell(LSTMCell):
    """One step of long short-term memory with peepholes.

    With input `x`, output `h`, cell state `C` and the logistic function `σ`:

        i_t = σ(x_t W_i + h_{t-1} R_i + p_i C_{t-1} + b_i)
        f_t = σ(x_t W_f + h_{t-1} R_f + p_f C_{t-1} + b_f)
        C̃_t = tanh(x_t W_c + h_{t-1} R_c + b_c)
        C_t = f_t C_{t-1} + i_t C̃_t
        o_t = σ(x_t W_o + h_{t-1} R_o + p_o C_t + b_o)
        h_t = o_t tanh(C_t)

    The peepholes `p` are vectors and multiply elementwise: `peephole_kernel` has the rows `p_i`,
    `p_f` and `p_o`. The other weights are those of `zoo.layers.LSTMCell`.

    References: F. Gers and J. Schmidhuber, "Recurrent Nets that Time and Count", IJCNN 2000;
    F. Gers, N. Schraudolph and J. Schmidhuber, "Learning Precise Timing with LSTM Recurrent
    Networks", JMLR 3, 2002.

    Args:
        units: Positive integer, the size of the output and of each state.
        **kwargs: Arguments of `zoo.layers.LSTMCell`. The settings of `kernel` also apply to the
            peepholes.

    Call arguments and return values are those of `zoo.layers.LSTMCell`.
    """

    native_cell = "lstm_peephole"

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.peephole_kernel = self.add_kernel("peephole_kernel", (3, self.units))

    def native_arguments(self, sequences: Tensor, training: bool = False) -> dict[str, Any]:
        arguments = super().native_arguments(sequences, training)
        return {**arguments, "weights": [*arguments["weights"], self.peephole_kernel]}

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        h, c = states
        p_i, p_f, p_o = ops.unstack(ops.convert_to_tensor(self.peephole_kernel))
        i, f, c_tilde, o = ops.split(projected + recur(h), 4, axis=-1)
        i = self.recurrent_activation(i + p_i * c)
        f = self.recurrent_activation(f + p_f * c)
        c_tilde = self.activation(c_tilde)
        c = f * c + i * c_tilde
        o = self.recurrent_activation(o + p_o * c)
        return [o * self.activation(c), c], {"i": i, "f": f, "c_tilde": c_tilde, "o": o}


@keras.saving.register_keras_serializable(package="zoo")
class PeepholeLSTM(LSTM):
    """Long short-term memory with peepholes; see `PeepholeLSTMCell` for the equations.

    Arguments, call arguments and return values are those of `zoo.layers.LSTM`.
    """

    cell_class = PeepholeLSTMCell
    cell_name = "peephole_lstm_cell"
