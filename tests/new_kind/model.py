"""The model folder of a new task kind: numbers in, their sum out."""

from typing import Any

import keras
import keras_hub
import numpy as np

from zoo.models.backbone import Backbone
from zoo.models.ensemble import Ensemble
from zoo.models.pooling import SequencePooling
from zoo.models.predictor import Predictor
from zoo.models.protocol import InputError, InputSchema, register
from zoo.models.ragged import pad_tensor
from zoo.models.recurrent_stack import recurrent_stack
from zoo.models.tokenizer import is_symbolic
from zoo.typing import DType, Shape, Tensor

NUMBERS = InputSchema("numbers", "float32", 1)


@keras.saving.register_keras_serializable(package="new_kind")
class NumbersBackbone(Backbone):
    """Reads numbers with a recurrent layer, and pools its outputs into the last one."""

    def __init__(
        self, architecture: str, units: int = 8, dtype: DType = None, **kwargs: Any
    ) -> None:
        numbers = keras.Input((None, 1), name="numbers")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        x = recurrent_stack(
            numbers,
            padding_mask,
            architecture=architecture,
            bidirectional=False,
            units=units,
            num_layers=1,
            dropout=0.0,
            dtype=dtype,
            name="encoder",
        )
        super().__init__(
            inputs={"numbers": numbers, "padding_mask": padding_mask},
            outputs=SequencePooling("last")(x, padding_mask),
            dtype=dtype,
            **kwargs,
        )
        self.architecture = architecture
        self.units = units

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "architecture": self.architecture, "units": self.units}


@keras.saving.register_keras_serializable(package="new_kind")
class NumbersPreprocessor(keras_hub.models.Preprocessor):
    """Pads lists of numbers to the longest of a batch."""

    backbone_cls = NumbersBackbone

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        if is_symbolic(x):  # a tensor inside a tf.data pipeline
            numbers, mask = pad_tensor(x, None)
        else:
            numbers, mask = self._padded(NUMBERS.parse_all(x))
        x = {"numbers": numbers[..., None], "padding_mask": mask}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _padded(self, rows):
        for row in rows:
            if not len(row) or not np.isfinite(row).all():
                raise InputError(f"The input must be one or more finite numbers. Received: {row}")
        lengths = np.array([len(row) for row in rows])
        mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        numbers = np.zeros(mask.shape, "float32")
        numbers[mask] = np.concatenate([*rows, []])
        return numbers, mask


class Sums(Predictor):
    """Base class of a model of sums and of an ensemble of such models."""

    task_kind = "summing"
    output_name = "sum"
    preprocessor_cls = NumbersPreprocessor

    def __init__(
        self,
        backbone: keras_hub.models.Backbone,
        preprocessor: NumbersPreprocessor | None = None,
        outputs: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        if outputs is None:
            outputs = backbone(backbone.input)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(self, optimizer: Any = "adam", loss: Any = "auto", **kwargs: Any) -> None:
        loss = "mse" if loss == "auto" else loss
        metrics = [keras.metrics.MeanSquaredError(name="squared_error")]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    @property
    def input_schema(self) -> InputSchema:
        return NUMBERS

    def read_input(self, argument: str) -> np.ndarray:
        return np.array(argument.split(), "float32")

    def answer_of(self, output: np.ndarray) -> dict[str, Any]:
        return {"sum": float(output[0])}

    def answer_text(self, answer: dict[str, Any]) -> str:
        return f"{answer['sum']:.2f}"


@register
class SummingEnsemble(Ensemble, Sums, keras_hub.models.Task):
    """Several models of sums that answer with their mean."""


@register
class SummingModel(Sums, keras_hub.models.Task):
    """Sums numbers with a recurrent layer and a dense one."""

    backbone_cls = NumbersBackbone
    ensemble_class = SummingEnsemble

    def __init__(
        self,
        backbone: NumbersBackbone,
        preprocessor: NumbersPreprocessor | None = None,
        **kwargs: Any,
    ) -> None:
        outputs = keras.layers.Dense(1, name="sum")(backbone(backbone.input))
        super().__init__(backbone, preprocessor, outputs, **kwargs)
