"""Task: a sequence in, a number out."""

from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.memory.memory_backbone import MemoryBackbone
from zoo.models.memory.memory_input import MemoryInput
from zoo.models.memory.memory_preprocessor import MemoryPreprocessor
from zoo.models.pooling import SequencePooling
from zoo.models.protocol import register
from zoo.models.sequence_predictor import SequencePredictor
from zoo.typing import Tensor


@register
class MemoryRegressor(MemoryInput, SequencePredictor, keras_hub.models.Task):
    """Maps the last output of the recurrent layer to a number.

    `predict` takes a list of float arrays `[time, features]` and returns float32 `[batch]`.

    Args:
        backbone: `MemoryBackbone`.
        preprocessor: `MemoryPreprocessor`, or None to pass padded batches yourself.
        tolerance: float; an answer with an absolute error below it counts as correct in the metric
            `accuracy`.

    Example:
    ```python
    backbone = zoo.models.MemoryBackbone("lstm", feature_dim=2)
    preprocessor = zoo.models.MemoryPreprocessor(feature_dim=2)
    model = zoo.models.MemoryRegressor(backbone, preprocessor)
    model.predict([values])  # values is a float array [time, 2]
    ```
    """

    backbone_cls = MemoryBackbone
    preprocessor_cls = MemoryPreprocessor
    output_name = "number"
    output_layers = ("number", "scalar")

    def __init__(
        self,
        backbone: MemoryBackbone,
        preprocessor: MemoryPreprocessor | None = None,
        tolerance: float = 0.04,
        **kwargs: Any,
    ) -> None:
        encoded = backbone(backbone.input)
        x = SequencePooling("last", dtype=backbone.dtype_policy, name="pooling")(
            encoded["sequence"], encoded["padding_mask"]
        )
        x = keras.layers.Dense(1, dtype="float32", name="number")(x)
        outputs = keras.layers.Reshape((), dtype="float32", name="scalar")(x)
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.tolerance = tolerance
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = "auto",
        *,
        metrics: Any = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`; "auto" is the mean squared error, and the fraction of answers
        within `tolerance`, named `accuracy`."""
        if loss == "auto":
            loss = "mean_squared_error"
        if metrics == "auto":
            metrics = [WithinTolerance(self.tolerance)]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def answer_of(self, output: np.ndarray) -> dict[str, Any]:
        """The number, a dict `{"output": float}`."""
        return {"output": float(output)}

    def answer_text(self, answer: dict[str, Any]) -> str:
        return f"{answer['output']:.3f}"

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tolerance": self.tolerance}


@keras.saving.register_keras_serializable(package="zoo")
class WithinTolerance(keras.metrics.Mean):
    """The fraction of answers with an absolute error below a tolerance.

    Args:
        tolerance: float.
        name: str.
    """

    def __init__(self, tolerance: float, name: str = "accuracy", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.tolerance = tolerance

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        is_within = ops.abs(ops.cast(y_true, y_pred.dtype) - y_pred) < self.tolerance
        super().update_state(ops.cast(is_within, self.dtype), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "tolerance": self.tolerance}
