"""Normalisation of features by the mean and variance of their own utterance."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.typing import Shape, Tensor

PRIOR_FRAMES = 100  # frames that the training data's mean and variance count as
EPSILON = 1e-3  # of a variance, relative to that of the training data


@keras.saving.register_keras_serializable(package="zoo")
class UtteranceNormalization(keras.layers.Layer):
    """Normalises each feature to the mean 0 and the variance 1 over an utterance.

    It removes what a microphone, a room and a voice add to all frames (B. Atal 1974). A running
    normalisation uses the frames up to each one, preceded by 100 virtual frames with the training
    data's mean and variance, so that a model can read sound as it arrives.

    Args:
        running: bool.

    Call arguments:
        features: float tensor `[batch, frames, features]`.
        padding_mask: bool tensor `[batch, frames]`, False at padding.

    Returns:
        A float tensor like `features`, 0 at padding.
    """

    def __init__(self, running: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.running = running

    def build(self, features_shape: Shape, padding_mask_shape: Shape | None = None) -> None:
        width = features_shape[-1]
        self.mean = self.add_weight((width,), "zeros", trainable=False, name="mean")
        self.variance = self.add_weight((width,), "ones", trainable=False, name="variance")

    def adapt(self, frames: Sequence[np.ndarray]) -> None:
        """Sets mean and variance to those of all frames in a list of `[frames, features]`."""
        frames = np.concatenate(frames)
        self.mean.assign(np.mean(frames, axis=0, dtype="float64"))
        self.variance.assign(np.maximum(np.var(frames, axis=0, dtype="float64"), 1e-8))

    def call(self, features: Tensor, padding_mask: Tensor) -> Tensor:
        if self.running:
            sums = self.initial_sums(ops.shape(features)[0], features.shape[-1])
            return self.continued(features, padding_mask, sums)[0]
        features, weights = self._scaled(features, padding_mask)
        count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1)
        features = features - ops.sum(features * weights, axis=1, keepdims=True) / count
        variance = ops.sum(features**2 * weights, axis=1, keepdims=True) / count
        return features * weights * ops.rsqrt(variance + EPSILON)

    def initial_sums(self, batch_size: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
        """The sums before the first frame, as `continued` takes them."""
        zeros = ops.zeros((batch_size, width), self.compute_dtype)
        return zeros[:, :1], zeros, zeros

    def continued(
        self, features: Tensor, padding_mask: Tensor, sums: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Normalises a piece of an utterance, given the sums over the frames before it.

        Args:
            features, padding_mask: a piece, see the call arguments.
            sums: tuple of the number of frames `[batch, 1]`, and the sums of the features and of
                their squares `[batch, features]`.

        Returns:
            `(features, sums)`: the normalised piece, and the sums after it.
        """
        features, weights = self._scaled(features, padding_mask)
        counts, totals, squares = (
            before[:, None] + ops.cumsum(values * weights, axis=1)
            for before, values in zip(
                sums, (ops.ones_like(weights), features, features**2), strict=True
            )
        )
        mean = totals / (counts + PRIOR_FRAMES)
        variance = (squares + PRIOR_FRAMES) / (counts + PRIOR_FRAMES) - mean**2
        variance = ops.maximum(variance, 0) + EPSILON
        normalised = (features - mean) * weights * ops.rsqrt(variance)
        return normalised, (counts[:, -1], totals[:, -1], squares[:, -1])

    def _scaled(self, features, padding_mask):
        weights = ops.cast(padding_mask, features.dtype)[..., None]
        return (features - self.mean) * weights * ops.rsqrt(self.variance), weights

    def compute_output_shape(
        self, features_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> Shape:
        return features_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "running": self.running}
