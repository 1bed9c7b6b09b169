"""An audio classifier of frames of features."""

import numpy as np

from zoo import models
from zoo.layers import architectures

ARCHITECTURES = architectures.names()
INPUTS = [
    np.random.default_rng(0).normal(size=(frames, 3)).astype("float32") for frames in (5, 1, 9, 4)
]


def build(architecture="gru"):
    backbone = models.AudioBackbone(architecture, feature_dim=3, units=6)
    preprocessor = models.AudioClassifierPreprocessor(feature_dim=3)
    return models.AudioClassifier(backbone, ["low", "high"], preprocessor)


def batch(model):
    return model.preprocessor(INPUTS), np.array([0, 1, 1, 0]), None


def argument(input, folder):
    np.save(folder / "frames.npy", input)
    return str(folder / "frames.npy")
