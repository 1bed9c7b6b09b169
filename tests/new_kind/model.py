"""The model folder of a new task kind: numbers in, their sum out."""

import keras
import keras_hub
import numpy as np

from zoo.models.ensemble import Ensemble
from zoo.models.pooling import SequencePooling
from zoo.models.protocol import InputSchema, TaskModel, register
from zoo.models.recurrent_stack import recurrent_stack


@keras.saving.register_keras_serializable(package="new_kind")
class NumbersBackbone(keras_hub.models.Backbone):
    """Reads numbers with a recurrent layer, and pools its outputs into the last one."""

    def __init__(self, architecture, units=8, dtype=None, **kwargs):
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

    def get_config(self):
        return {**super().get_config(), "architecture": self.architecture, "units": self.units}


@keras.saving.register_keras_serializable(package="new_kind")
class NumbersPreprocessor(keras_hub.models.Preprocessor):
    """Pads lists of numbers to the longest of a batch."""

    backbone_cls = NumbersBackbone

    def build(self, input_shape):
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        mask = np.arange(max(map(len, x))) < np.array([len(row) for row in x])[:, None]
        numbers = np.zeros(mask.shape, "float32")
        numbers[mask] = np.concatenate(x)
        x = {"numbers": numbers[..., None], "padding_mask": mask}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)


class Sums(TaskModel):
    """Base class of a model of sums and of an ensemble of such models."""

    task_kind = "summing"
    output_name = "sum"
    preprocessor_cls = NumbersPreprocessor

    def __init__(self, backbone, preprocessor=None, outputs=None, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        if outputs is None:
            outputs = backbone(backbone.input)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(self, optimizer="adam", loss="auto", **kwargs):
        loss = "mse" if loss == "auto" else loss
        metrics = [keras.metrics.MeanSquaredError(name="squared_error")]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    @property
    def input_schema(self):
        return InputSchema("numbers", "float32", 1)

    def read_input(self, argument):
        return np.array(argument.split(), "float32")

    def answers(self, inputs):
        sums = np.ravel(self.predict_on_batch(inputs))
        return [{"sum": float(value)} for value in sums]

    def answer_text(self, answer):
        return f"{answer['sum']:.2f}"


@register
class SummingEnsemble(Ensemble, Sums, keras_hub.models.Task):
    """Several models of sums that answer with their mean."""


@register
class SummingModel(Sums, keras_hub.models.Task):
    """Sums numbers with a recurrent layer and a dense one."""

    backbone_cls = NumbersBackbone
    ensemble_class = SummingEnsemble

    def __init__(self, backbone, preprocessor=None, **kwargs):
        outputs = keras.layers.Dense(1, name="sum")(backbone(backbone.input))
        super().__init__(backbone, preprocessor, outputs, **kwargs)
