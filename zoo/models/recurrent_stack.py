"""A stack of recurrent layers of one architecture, and the base class of backbones with one."""

from typing import Any

import keras

from zoo.layers import architectures
from zoo.layers.recurrence import RecurrentLayer
from zoo.models.backbone import Backbone
from zoo.typing import DType, Tensor


def recurrent_stack(
    x: Tensor,
    mask: Tensor,
    *,
    architecture: str,
    bidirectional: bool,
    units: int,
    num_layers: int,
    dropout: float,
    dtype: DType,
    name: str,
    timescale: float | None = None,
) -> Tensor:
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


class RecurrentBackbone(Backbone):
    """A backbone with a `recurrent_stack` named `"encoder"`, which can read an input in pieces.

    A subclass defines `continued`.

    Attributes:
        architecture: str, a name of `zoo.layers.architectures`.
        bidirectional: bool, whether both directions are read even if the architecture doesn't.
        num_layers: int, number of recurrent layers.
    """

    bidirectional = False

    @property
    def recurrent_layers(self) -> list[RecurrentLayer]:
        """The recurrent layers, from the first to the last."""
        return [self.get_layer(f"encoder_{index}") for index in range(self.num_layers)]

    def stream_obstacle(self) -> str | None:
        """Why an input can't be read in pieces, a str; None if it can."""
        if self.bidirectional or architectures.get(self.architecture).bidirectional:
            return (
                f"This model ({self.architecture}) reads its input in both directions, so it needs "
                "the whole input. Use a unidirectional model."
            )
        return None

    def initial_states(self, batch_size: int) -> Any:
        """The states before the first step: a list of the states of each layer, all zero."""
        return [layer.cell.get_initial_state(batch_size) for layer in self.recurrent_layers]

    def continued(self, piece: Any, states: Any) -> tuple[Tensor, Any]:
        """Encodes a piece of an input, outside training.

        Args:
            piece: the piece, as the backbone takes it, without padding.
            states: the states before it, as `initial_states` returns them.

        Returns:
            `(sequence, states)`: float `[batch, steps, units]`, and the states after the piece.
        """
        raise NotImplementedError

    def continue_layers(
        self, x: Tensor, states: list[list[Tensor]]
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """The output of the recurrent layers for a piece of their input, and the states after it;
        see `continued`."""
        after = []
        for layer, state in zip(self.recurrent_layers, states, strict=True):
            x, state = layer.continued(x, state)
            after.append(state)
        return x, after
