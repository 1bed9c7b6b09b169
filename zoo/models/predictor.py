"""Base class of models that predict arrays from raw inputs of any length."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.models.protocol import TaskModel


class Predictor(TaskModel):
    """Raw inputs in, an array out.

    A mixin before a `keras_hub.models.Task` with one output.
    """

    def predict(self, x: Any, batch_size: int = 32, **kwargs: Any) -> np.ndarray:
        """Predictions for raw inputs of any length.

        Args:
            x: a list, an array or a tensor of raw inputs; or whatever
                `keras_hub.models.Task.predict` takes, such as a `tf.data.Dataset` of batches.
            batch_size: int; inputs of similar length are batched together. A dataset has its own.
            **kwargs: arguments of `keras.Model.predict`, ignored for raw inputs.

        Returns:
            float32 array `[len(x), ...]`, the model's output in the order of `x`: of a classifier
            `[len(x), classes]`, in the order of `labels`.
        """
        import tensorflow as tf

        if isinstance(x, tf.data.Dataset):
            return super().predict(x, **kwargs)
        if self.preprocessor is None or isinstance(x, (dict, keras.utils.PyDataset)):
            return super().predict(x, batch_size=batch_size, **kwargs)
        x = self.input_schema.parse_all(x)
        order = np.argsort([len(one) for one in x], kind="stable")
        outputs = np.zeros((len(x), *self.output_shape[1:]), "float32")
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            outputs[chosen] = self.predict_on_batch([x[index] for index in chosen])
        return outputs

    def answers(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """As `TaskModel.answers`, each by `answer_of`."""
        return [self.answer_of(row) for row in self.predict(self.input_schema.parse_all(inputs))]

    def answer_of(self, output: np.ndarray) -> dict[str, Any]:
        """The answer that corresponds to an element of `predict`, a dict."""
        raise NotImplementedError
