"""What the text and the audio classifier share: pooling, softmax, labels and `predict`."""

import keras
import numpy as np

from zoo.models.pooling import SequencePooling


class Classifier:
    """Raw inputs in, probabilities of labels out.

    A mixin in front of a `keras_hub.models.Task`.

    Args:
        backbone: the task's backbone.
        outputs: float32 tensor `[batch, classes]`, the probabilities that the model gives.
        labels: list of str, the names of the classes in order.
        preprocessor: the task's preprocessor, or None to give padded batches yourself.
    """

    def __init__(self, backbone, outputs, labels, preprocessor=None, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.labels = list(labels)
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    def compile(self, optimizer="adam", loss="auto", *, metrics="auto", **kwargs):
        """As `keras.Model.compile`; "auto" is cross-entropy of integer labels, and accuracy."""
        if loss == "auto":
            loss = keras.losses.SparseCategoricalCrossentropy()
        if metrics == "auto":
            metrics = ["accuracy"]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    def predict(self, x, batch_size=32, **kwargs):
        """Probabilities of raw inputs of any length.

        Args:
            x: list of raw inputs as the preprocessor takes them; or whatever
                `keras.Model.predict` takes.
            batch_size: int; inputs of like length are put together.
            **kwargs: arguments of `keras.Model.predict`, of no effect on a list of raw inputs.

        Returns:
            float32 array `[len(x), classes]`, in the order of `x` and of `labels`.
        """
        if self.preprocessor is None or not isinstance(x, (list, tuple)):
            return super().predict(x, batch_size=batch_size, **kwargs)
        order = np.argsort([len(example) for example in x], kind="stable")
        outputs = np.zeros((len(x), len(self.labels)), "float32")
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            outputs[chosen] = self.predict_on_batch([x[index] for index in chosen])
        return outputs

    def save_task_weights(self, filepath):
        """The weights behind the backbone, without the optimizer's."""
        keras.saving.save_weights(self, filepath, objects_to_skip=self._not_task_weights())

    def load_task_weights(self, filepath):
        """Loads what `save_task_weights` saved."""
        keras.saving.load_weights(self, filepath, objects_to_skip=self._not_task_weights())

    def _not_task_weights(self):
        return [*self.backbone._flatten_layers(), self.optimizer]

    def get_config(self):
        return {**super().get_config(), "labels": list(self.labels)}


class SequenceClassifier(Classifier):
    """Pools what a recurrent backbone gives over time and names the class.

    A mixin in front of a `keras_hub.models.Task`.

    Args:
        backbone: a backbone that gives a dict of `"sequence"`, float `[batch, time, features]`,
            and `"padding_mask"`, bool `[batch, time]`.
        labels: list of str, the names of the classes in order.
        preprocessor: the task's preprocessor, or None to give padded batches yourself.
        pooling: `"mean"`, `"max"` or `"last"`, see `SequencePooling`.
        dropout: float, dropout rate before the softmax.
    """

    def __init__(self, backbone, labels, preprocessor=None, pooling="mean", dropout=0.0, **kwargs):
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
        super().__init__(backbone, outputs, labels, preprocessor, **kwargs)

    def get_config(self):
        return {**super().get_config(), "pooling": self.pooling, "dropout": self.dropout}
