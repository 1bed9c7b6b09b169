"""A stack of recurrent layers of one architecture, shared by the backbones."""

import keras

from zoo.layers import architectures


def recurrent_stack(
    x,
    mask,
    *,
    architecture,
    bidirectional,
    units,
    num_layers,
    dropout,
    dtype,
    name,
    timescale=None,
):
    """Applies `num_layers` recurrent layers with dropout between them.

    The mask is passed to every layer explicitly, so nothing depends on how a wrapper propagates an
    implicit one.

    Args:
        x: float tensor `[batch, time, features]`.
        mask: bool tensor `[batch, time]`, False at padding.
        architecture: str, a name of `zoo.layers.architectures`.
        bidirectional: bool, whether to read both directions even if the architecture doesn't.
        units: int, units of each layer and direction.
        num_layers: int.
        dropout: float, dropout rate between layers.
        dtype: dtype or dtype policy of the layers.
        name: str, prefix of the layers' names.
        timescale: int, the longest dependency of the data in steps, for architectures with chrono
            initialization; None if it is unknown.

    Returns:
        A float tensor `[batch, time, units]`, twice as wide if both directions are read.
    """
    for index in range(num_layers):
        if index:
            x = keras.layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout_{index}")(x)
        layer = architectures.make(
            architecture,
            units,
            bidirectional=bidirectional,
            return_sequences=True,
            timescale=timescale,
            dtype=dtype,
            name=f"{name}_{index}",
        )
        x = layer(x, mask=mask)
    return x
