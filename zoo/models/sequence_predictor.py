"""Base class of models that reduce the output of a recurrent backbone to one array."""

from typing import Any

from zoo.models.predictor import Predictor
from zoo.typing import Tensor


class SequencePredictor(Predictor):
    """A backbone, a layer that reduces its sequence over time, and output layers.

    A mixin before a `keras_hub.models.Task` with a `RecurrentBackbone`.

    Attributes:
        reduction: str, the name of the layer that reduces the sequence, which has `initial_state`
            and `continued` as `SequencePooling` has them.
        output_layers: tuple of str, the names of the layers after it.
    """

    reduction = "pooling"
    output_layers: tuple[str, ...] = ("probabilities",)

    def stream_obstacle(self) -> str | None:
        return self.backbone.stream_obstacle()

    def initial_states(self, batch_size: int) -> Any:
        """The states before the first piece of an input, as `continued` takes them."""
        layers = self.backbone.recurrent_layers
        features = layers[-1].cell.output_size
        reduced = self.get_layer(self.reduction).initial_state(batch_size, features)
        return self.backbone.initial_states(batch_size), reduced

    def continued(self, piece: Any, states: Any) -> tuple[Tensor, Any]:
        """Reads a piece of an input, outside training.

        Args:
            piece: as the backbone's `continued` takes it.
            states: the states before it.

        Returns:
            `(outputs, states)`: the model's output for what was read so far, and the states after
            the piece.
        """
        of_layers, of_reduction = states
        sequence, of_layers = self.backbone.continued(piece, of_layers)
        x, of_reduction = self.get_layer(self.reduction).continued(sequence, of_reduction)
        for name in self.output_layers:
            x = self.get_layer(name)(x)
        return x, (of_layers, of_reduction)
