"""Task: a sequence in, a number out."""

import keras
import keras_hub
from keras import ops

from zoo.models.memory.memory_backbone import MemoryBackbone
from zoo.models.memory.memory_input import MemoryInput
from zoo.models.memory.memory_preprocessor import MemoryPreprocessor
from zoo.models.pooling import SequencePooling
from zoo.models.protocol import register
from zoo.models.sequence_predictor import SequencePredictor


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

    def __init__(self, backbone, preprocessor=None, tolerance=0.04, **kwargs):
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

    def compile(self, optimizer="adam", loss="auto", *, metrics="auto", **kwargs):
        """As `keras.Model.compile`; "auto" is the mean squared error, and the fraction of answers
        within `tolerance`, named `accuracy`."""
        if loss == "auto":
            loss = "mean_squared_error"
        if metrics == "auto":
            metrics = [WithinTolerance(self.tolerance)]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def answer_of(self, output):
        """The number, a dict `{"output": float}`."""
        return {"output": float(output)}

    def answer_text(self, answer):
        return f"{answer['output']:.3f}"

    def get_config(self):
        return {**super().get_config(), "tolerance": self.tolerance}


@keras.saving.register_keras_serializable(package="zoo")
class WithinTolerance(keras.metrics.Mean):
    """The fraction of answers with an absolute error below a tolerance.

    Args:
        tolerance: float.
        name: str.
    """

    def __init__(self, tolerance, name="accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.tolerance = tolerance

    def update_state(self, y_true, y_pred, sample_weight=None):
        is_within = ops.abs(ops.cast(y_true, y_pred.dtype) - y_pred) < self.tolerance
        super().update_state(ops.cast(is_within, self.dtype), sample_weight)

    def get_config(self):
        return {**super().get_config(), "tolerance": self.tolerance}
