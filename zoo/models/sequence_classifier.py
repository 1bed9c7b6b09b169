"""Base class of recurrent classifiers: pooling over time and a softmax."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import keras_hub

from zoo.models.classifier import Classifier
from zoo.models.pooling import SequencePooling
from zoo.models.recurrent_stack import RecurrentBackbone
from zoo.models.sequence_predictor import SequencePredictor


class SequenceClassifier(SequencePredictor, Classifier):
    """Pools the output of a recurrent backbone over time and classifies it.

    A mixin ahead of a `keras_hub.models.Task`.

    Args:
        backbone: a backbone that returns a dict of `"sequence"`, float `[batch, time, features]`,
            and `"padding_mask"`, bool `[batch, time]`.
        labels: list of str, the names of the classes in order.
        preprocessor: the task's preprocessor, or None to pass padded batches yourself.
        pooling: `"mean"`, `"max"` or `"last"`, see `SequencePooling`.
        dropout: float, dropout rate before the softmax.
    """

    def __init__(
        self,
        backbone: RecurrentBackbone,
        labels: Sequence[str],
        preprocessor: keras_hub.models.Preprocessor | None = None,
        pooling: Literal["mean", "max", "last"] = "mean",
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        encoded = backbone(backbone.input)
        x = SequencePooling(pooling, dtype=backbone.dtype_policy, name="pooling")(
            encoded["sequence"], encoded["padding_mask"]
        )
        x = keras.layers.Dropout(dropout, dtype=backbone.dtype_policy, name="output_dropout")(x)
        outputs = keras.layers.Dense(
            len(labels), activation="softmax", dtype="float32", name="probabilities"
        )(x)
        self.pooling = pooling
        self.dropout = dropout
        super().__init__(backbone, labels, preprocessor, outputs, **kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "pooling": self.pooling, "dropout": self.dropout}
