"""A stack of recurrent layers of one architecture, the body of every model of the zoo."""

import keras

from zoo.layers import architectures


def recurrent_stack(
    x, mask, *, architecture, bidirectional, units, num_layers, dropout, dtype, name
):
    """Applies `num_layers` recurrent layers with dropout between them.

    The mask is passed to every layer explicitly, so that nothing depends on how a wrapper
    hands an implicit one on.

    Args:
        x: float tensor `[batch, time, features]`.
        mask: bool tensor `[batch, time]`, False at padding.
        architecture: str, a name of `zoo.layers.architectures`.
        bidirectional: bool, read both directions even if the architecture doesn't.
        units: int, units a layer and direction.
        num_layers: int.
        dropout: float, the rate between two layers.

    Returns:
        A float tensor `[batch, time, units]`, twice as wide where both directions are read.
    """
    for index in range(num_layers):
        if index:
            x = keras.layers.Dropout(dropout, dtype=dtype, name=f"{name}_dropout_{index}")(x)
        layer = architectures.make(
            architecture,
            units,
            bidirectional=bidirectional,
            return_sequences=True,
            dtype=dtype,
            name=f"{name}_{index}",
        )
        x = layer(x, mask=mask)
    return x
