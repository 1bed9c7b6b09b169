"""Training on raw inputs of different lengths, which are preprocessed before it begins."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from zoo.models.protocol import TaskModel


class EagerPreprocessing(TaskModel):
    """`fit` and `evaluate` of lists of raw inputs, for preprocessors that can't be a TensorFlow
    graph.

    A mixin before `TaskModel`. All inputs are preprocessed at once, so each is padded to the
    longest of them.
    """

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        validation_data: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """As `keras.Model.fit`; `x` and `y` may be a list of raw inputs and what the preprocessor
        takes with it. `validation_data` is a tuple of the same, or a `tf.data.Dataset`."""
        if not self._are_raw(x):
            return super().fit(x, y, batch_size, sample_weight, validation_data, **kwargs)
        if self._are_raw(validation_data):
            validation_data = self._preprocessed(*validation_data)
        x, y, sample_weight = self._preprocessed(x, y, sample_weight)
        with without_preprocessor(self):
            return super().fit(x, y, batch_size, sample_weight, validation_data, **kwargs)

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        sample_weight: Any = None,
        **kwargs: Any,
    ) -> float | list[float] | dict[str, float]:
        """As `keras.Model.evaluate`; see `fit`."""
        if not self._are_raw(x):
            return super().evaluate(x, y, batch_size, sample_weight, **kwargs)
        x, y, sample_weight = self._preprocessed(x, y, sample_weight)
        with without_preprocessor(self):
            return super().evaluate(x, y, batch_size, sample_weight, **kwargs)

    def _are_raw(self, x):
        return self.preprocessor is not None and isinstance(x, (list, tuple, np.ndarray))

    def _preprocessed(self, x, y=None, sample_weight=None):
        """The preprocessor's output for raw inputs: `(x, y, sample_weight)`."""
        return keras.utils.unpack_x_y_sample_weight(self.preprocessor(x, y, sample_weight))


@contextlib.contextmanager
def without_preprocessor(model: TaskModel) -> Iterator[None]:
    """Disables a model's preprocessor while it is fed preprocessed batches."""
    preprocessor, model.preprocessor = model.preprocessor, None
    try:
        yield
    finally:
        model.preprocessor = preprocessor
