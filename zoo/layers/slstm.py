"""The sLSTM of xLSTM: long short-term memory with an exponential input gate."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from zoo.layers.lstm import LSTM, LSTMCell
from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class SLSTMCell(LSTMCell):
    """One step of sLSTM.

    With input `x`, output `h`, cell state `C`, normalizer state `n` and the logistic function `σ`:

        i_t = exp(x_t W_i + h_{t-1} R_i + b_i)
        f_t = σ(x_t W_f + h_{t-1} R_f + b_f)
        C̃_t = tanh(x_t W_c + h_{t-1} R_c + b_c)
        o_t = σ(x_t W_o + h_{t-1} R_o + b_o)
        C_t = f_t C_{t-1} + i_t C̃_t
        n_t = f_t n_{t-1} + i_t
        h_t = o_t C_t / n_t

    `C` and `n` are stored divided by `exp(m)`, so that no exponential overflows:

        m_t = max(log f_t + m_{t-1}, log i_t)

    and `m_t = log i_t` where `n_{t-1} = 0`, as at the first step. The stored `n` is then at least
    1; the cell enforces this bound, because other initial states may violate it.

    The paper's heads, and its blocks around the cell, are left out. The weights are those of
    `zoo.layers.LSTMCell`.

    Reference: M. Beck et al., "xLSTM: Extended Long Short-Term Memory", NeurIPS 2024, equations 8
    to 17.

    Args:
        units: Positive integer, the size of the output and of each state.
        **kwargs: Arguments of `zoo.layers.LSTMCell`. `recurrent_activation` applies to `o` alone.

    Call arguments:
        inputs: Tensor of shape `(batch, features)`.
        states: List of `h`, `C`, `n` and `m`, each of shape `(batch, units)`.
        training: Whether dropout applies.
    """

    state_names = ("h", "c", "n", "m")
    native_cell = "slstm"

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.state_size = [units] * 4

    def step(
        self, projected: Tensor, states: list[Tensor], recur: Callable[[Tensor], Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        h, c, n, m = states
        log_i, f, c_tilde, o = ops.split(projected + recur(h), 4, axis=-1)
        log_f = ops.log_sigmoid(f) + m
        m = ops.where(ops.equal(n, 0), log_i, ops.maximum(log_f, log_i))
        i = ops.exp(log_i - m)
        f = ops.exp(ops.minimum(log_f - m, 0))
        c_tilde = self.activation(c_tilde)
        o = self.recurrent_activation(o)
        c = f * c + i * c_tilde
        n = ops.maximum(f * n + i, 1)
        return [o * c / n, c, n, m], {"i": i, "f": f, "c_tilde": c_tilde, "o": o}


@keras.saving.register_keras_serializable(package="zoo")
class SLSTM(LSTM):
    """The sLSTM of xLSTM; see `SLSTMCell` for the equations.

    Arguments and call arguments are those of `zoo.layers.LSTM`; the states are `h`, `C`, `n` and
    `m`, each of shape `(batch, units)`.
    """

    cell_class = SLSTMCell
    cell_name = "slstm_cell"
