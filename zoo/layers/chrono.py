"""LSTM and GRU with chrono initialization: gates that start at the timescales of the data."""

from typing import Any

import keras

from zoo.layers.gru import GRU
from zoo.layers.lstm import LSTM


@keras.saving.register_keras_serializable(package="zoo")
class ChronoLSTM(LSTM):
    """Long short-term memory whose forget and input gates start at the timescales of the data.

    The equations are those of `zoo.layers.LSTMCell`. The biases start at

        b_f = log u,  b_i = -b_f,  u ~ Uniform(1, max_timescale - 1)

    with a different `u` for each unit. Without an input and a state, the forget gate is
    `u / (1 + u)`, so the unit forgets with the time constant `1 + u`, between 2 and `max_timescale`
    steps.

    Reference: C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018.

    Args:
        units: Positive integer, the size of the output and of each state.
        max_timescale: Number greater than 2, the longest dependency of the data in steps.
        **kwargs: Arguments of `zoo.layers.LSTM`. `unit_forget_bias` has no effect.

    Call arguments and return values are those of `zoo.layers.LSTM`.
    """

    def __init__(self, units: int, *, max_timescale: float = 100, **kwargs: Any) -> None:
        super().__init__(units, max_timescale=max_timescale, **kwargs)


@keras.saving.register_keras_serializable(package="zoo")
class ChronoGRU(GRU):
    """The gated recurrent unit, whose update gate starts at the timescales of the data.

    The equations are those of `zoo.layers.GRUCell`. The bias of the update gate starts at

        b_z = log u,  u ~ Uniform(1, max_timescale - 1)

    with a different `u` for each unit. Without an input and a state, the update gate is
    `u / (1 + u)`, so the unit forgets with the time constant `1 + u`, between 2 and `max_timescale`
    steps.

    Reference: C. Tallec and Y. Ollivier, "Can recurrent neural networks warp time?", ICLR 2018.

    Args:
        units: Positive integer, the size of the output and of the state.
        max_timescale: Number greater than 2, the longest dependency of the data in steps.
        **kwargs: Arguments of `zoo.layers.GRU`.

    Call arguments and return values are those of `zoo.layers.GRU`.
    """

    def __init__(self, units: int, *, max_timescale: float = 100, **kwargs: Any) -> None:
        super().__init__(units, max_timescale=max_timescale, **kwargs)
