"""A regressor of sequences of values."""

import numpy as np

from zoo import models

ARCHITECTURES = ["lstm", "rnn"]
INPUTS = [
    np.random.default_rng(0).normal(size=(steps, 2)).astype("float32") for steps in (5, 1, 9, 4)
]
TARGETS = np.array([0.5, 1, 0, 2], "float32")


def build(architecture="lstm"):
    backbone = models.MemoryBackbone(architecture, feature_dim=2, units=6)
    return models.MemoryRegressor(backbone, models.MemoryPreprocessor(feature_dim=2))


def batch(model):
    return model.preprocessor(INPUTS), TARGETS, None


def argument(input, folder):
    np.save(folder / "values.npy", input)
    return str(folder / "values.npy")
