"""Base class of models that predict arrays from raw inputs of any length."""

import numpy as np

from zoo.models.protocol import TaskModel


class Predictor(TaskModel):
    """Raw inputs in, an array out.

    A mixin ahead of a `keras_hub.models.Task` of one output.
    """

    def predict(self, x, batch_size=32, **kwargs):
        """Predictions of raw inputs of any length.

        Args:
            x: list of raw inputs as the preprocessor takes them; or whatever
                `keras.Model.predict` takes.
            batch_size: int; inputs of similar length are batched together.
            **kwargs: arguments of `keras.Model.predict`, ignored for a list of raw inputs.

        Returns:
            float32 array `[len(x), ...]`, the model's output in the order of `x`: of a classifier
            `[len(x), classes]`, in the order of `labels`.
        """
        if self.preprocessor is None or not isinstance(x, (list, tuple)):
            return super().predict(x, batch_size=batch_size, **kwargs)
        order = np.argsort([len(one) for one in x], kind="stable")
        outputs = np.zeros((len(x), *self.output_shape[1:]), "float32")
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            outputs[chosen] = self.predict_on_batch([x[index] for index in chosen])
        return outputs
