"""The gated recurrent unit of the paper, with the reset gate before the recurrent product."""

from typing import Any

import keras

from zoo.layers.gru import GRU


@keras.saving.register_keras_serializable(package="zoo")
class GRUResetBefore(GRU):
    """The gated recurrent unit with the reset gate before the recurrent product.

    See `zoo.layers.GRUCell` for the equations, under `reset_after=False`.

    Reference: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for
    Statistical Machine Translation", EMNLP 2014.

    Args:
        units: Positive integer, the size of the output and of the state.
        **kwargs: Arguments of `zoo.layers.GRU`.

    Call arguments and return values are those of `zoo.layers.GRU`.
    """

    def __init__(self, units: int, *, reset_after: bool = False, **kwargs: Any) -> None:
        super().__init__(units, reset_after=reset_after, **kwargs)
