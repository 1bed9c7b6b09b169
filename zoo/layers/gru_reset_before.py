"""The gated recurrent unit with its reset gate where the paper has it."""

import keras

from zoo.layers.gru import GRU


@keras.saving.register_keras_serializable(package="zoo")
class GRUResetBefore(GRU):
    """The gated recurrent unit that resets its state before the recurrent product.

    `zoo.layers.GRUCell` has its equations, under `reset_after=False`.

    Reference: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder for
    Statistical Machine Translation", EMNLP 2014.

    Args:
        units: Positive integer, the size of the output and of the state.
        **kwargs: Arguments of `zoo.layers.GRU`.

    Call arguments and returns are those of `zoo.layers.GRU`.
    """

    def __init__(self, units, *, reset_after=False, **kwargs):
        super().__init__(units, reset_after=reset_after, **kwargs)
