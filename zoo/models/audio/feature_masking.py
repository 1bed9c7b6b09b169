"""Masks of spans of time and of neighbouring features during training."""

from typing import Any

import keras
from keras import ops

from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class FeatureMasking(keras.layers.Layer):
    """Sets spans of frames and of features to zero during training; the identity otherwise.

    SpecAugment's masks (D. Park et al., "SpecAugment: A Simple Data Augmentation Method for
    Automatic Speech Recognition", 2019, https://arxiv.org/abs/1904.08779). Their widths are drawn
    uniformly from 0 to the given ones.

    Args:
        time_masks: int, masks of frames in each utterance.
        time_width: int, the greatest number of frames under a mask; at most a fifth of the
            utterance.
        feature_masks: int, masks of features in each utterance.
        feature_width: int, the greatest number of features under a mask.
        copies: int, how many parts of equal width the features have, such as values and deltas.
            The same features of each part are masked.

    Call arguments:
        features: float tensor `[batch, frames, features]`, normalised.
        padding_mask: bool tensor `[batch, frames]`, False at padding.
        training: bool.
    """

    def __init__(
        self,
        time_masks: int = 0,
        time_width: int = 0,
        feature_masks: int = 0,
        feature_width: int = 0,
        copies: int = 1,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.time_masks = time_masks
        self.time_width = time_width
        self.feature_masks = feature_masks
        self.feature_width = feature_width
        self.copies = copies
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, features: Tensor, padding_mask: Tensor, training: bool = False) -> Tensor:
        if not training:
            return features
        batch, frames, width = ops.shape(features)
        lengths = ops.sum(ops.cast(padding_mask, "float32"), axis=1)
        for _ in range(self.time_masks):
            widest = ops.minimum(float(self.time_width), lengths / 5)
            kept = self._outside(batch, frames, lengths, widest)
            features = features * ops.cast(kept, features.dtype)[:, :, None]
        part = width // self.copies
        for _ in range(self.feature_masks):
            size = ops.full((batch,), float(part))
            kept = self._outside(batch, part, size, float(self.feature_width))
            kept = ops.tile(kept, [1, self.copies])
            features = features * ops.cast(kept, features.dtype)[:, None, :]
        return features

    def _outside(self, batch, count, lengths, widest):
        """Which of `count` positions lie outside a random span, bool `[batch, count]`."""
        uniform = lambda: keras.random.uniform((batch,), seed=self.seed_generator)
        widths = ops.floor(uniform() * (widest + 1))
        starts = ops.floor(uniform() * (lengths - widths + 1))
        positions = ops.arange(count, dtype="float32")[None]
        before = positions < starts[:, None]
        return ops.logical_or(before, positions >= (starts + widths)[:, None])

    def compute_output_shape(
        self, features_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> Shape:
        return features_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "time_masks": self.time_masks,
            "time_width": self.time_width,
            "feature_masks": self.feature_masks,
            "feature_width": self.feature_width,
            "copies": self.copies,
            "seed": self.seed,
        }
