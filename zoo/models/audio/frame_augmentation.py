"""Augmentation of frames of features during training."""

from typing import Any

import keras
from keras import ops

from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class FrameAugmentation(keras.layers.Layer):
    """Augments normalised frames during training; the identity otherwise.

    Args:
        noise: float, standard deviation of Gaussian noise added to every value.
        shift: float, standard deviation of a Gaussian offset for each utterance and feature, as
            another microphone or voice would add to a cepstrum.
        frame_dropout: float, the fraction of frames to set to zero; the others are scaled by
            `1 / (1 - frame_dropout)`.

    Call arguments:
        features: float tensor `[batch, frames, features]`.
        training: bool.
    """

    def __init__(
        self,
        noise: float = 0.0,
        shift: float = 0.0,
        frame_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.noise = noise
        self.shift = shift
        self.frame_dropout = frame_dropout
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, features: Tensor, training: bool = False) -> Tensor:
        if not training:
            return features
        batch, frames, width = ops.shape(features)
        normal = lambda shape: keras.random.normal(
            shape, dtype=features.dtype, seed=self.seed_generator
        )
        features = features + self.shift * normal((batch, 1, width))
        features = features + self.noise * normal((batch, frames, width))
        return keras.random.dropout(
            features,
            self.frame_dropout,
            noise_shape=(batch, frames, 1),
            seed=self.seed_generator,
        )

    def compute_output_shape(self, features_shape: Shape) -> Shape:
        return features_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "noise": self.noise,
            "shift": self.shift,
            "frame_dropout": self.frame_dropout,
            "seed": self.seed,
        }
