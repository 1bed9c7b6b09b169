"""Base class of all classifiers: labels, and answers with probabilities."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from zoo.models.predictor import Predictor
from zoo.typing import Tensor


class Classifier(Predictor):
    """Raw inputs in, probabilities of labels out.

    A mixin before a `keras_hub.models.Task`.

    Args:
        backbone: the task's backbone.
        labels: list of str, the names of the classes in order.
        preprocessor: the task's preprocessor, or None to pass padded batches yourself.
        outputs: float32 tensor `[batch, classes]`, the probabilities; by default the backbone's
            output.
    """

    output_name = "probabilities"

    def __init__(
        self,
        backbone: keras_hub.models.Backbone,
        labels: Sequence[str],
        preprocessor: keras_hub.models.Preprocessor | None = None,
        outputs: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.labels = list(labels)
        if outputs is None:
            outputs = backbone(backbone.input)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = "auto",
        *,
        metrics: Any = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`; "auto" is cross-entropy of integer labels, and accuracy."""
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy()
        if metrics == "auto":
            metrics = ["accuracy"]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def answer_of(self, output: np.ndarray) -> dict[str, Any]:
        """The likeliest label and the probabilities of all labels, a dict
        `{"label": str, "probabilities": {label: float}}`."""
        return {
            "label": self.labels[output.argmax()],
            "probabilities": dict(zip(self.labels, output.tolist(), strict=True)),
        }

    def answer_text(self, answer: dict[str, Any]) -> str:
        return f"{answer['label']} ({answer['probabilities'][answer['label']]:.3f})"

    def shared_by_members(self) -> dict[str, Any]:
        return {**super().shared_by_members(), "labels": self.labels}

    def ensemble_options(self) -> dict[str, Any]:
        return {**super().ensemble_options(), "labels": self.labels}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "labels": list(self.labels)}
