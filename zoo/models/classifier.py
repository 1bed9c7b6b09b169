"""Base class of all classifiers: labels, and answers with probabilities."""

import keras

from zoo.models.predictor import Predictor


class Classifier(Predictor):
    """Raw inputs in, probabilities of labels out.

    A mixin ahead of a `keras_hub.models.Task`.

    Args:
        backbone: the task's backbone.
        labels: list of str, the names of the classes in order.
        preprocessor: the task's preprocessor, or None to pass padded batches yourself.
        outputs: float32 tensor `[batch, classes]`, the probabilities; by default the backbone's
            output.
    """

    output_name = "probabilities"

    def __init__(self, backbone, labels, preprocessor=None, outputs=None, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.labels = list(labels)
        if outputs is None:
            outputs = backbone(backbone.input)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(self, optimizer="adam", loss="auto", *, metrics="auto", **kwargs):
        """As `keras.Model.compile`; "auto" is cross-entropy of integer labels, and accuracy."""
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy()
        if metrics == "auto":
            metrics = ["accuracy"]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def answer_of(self, output):
        """The likeliest label and the probabilities of all, a dict
        `{"label": str, "probabilities": {label: float}}`."""
        return {
            "label": self.labels[output.argmax()],
            "probabilities": dict(zip(self.labels, output.tolist(), strict=True)),
        }

    def answer_text(self, answer):
        return f"{answer['label']} ({answer['probabilities'][answer['label']]:.3f})"

    def shared_by_members(self):
        return {**super().shared_by_members(), "labels": self.labels}

    def ensemble_options(self):
        return {**super().ensemble_options(), "labels": self.labels}

    def get_config(self):
        return {**super().get_config(), "labels": list(self.labels)}
