"""A model that recalls symbols."""

import numpy as np

from zoo import models

ARCHITECTURES = ["gru_chrono", "lstm"]
INPUTS = ["ba....:..", "aa.:..", "ab", "bb..:.."]
TARGETS = np.array([[1, 0], [0, 0], [0, 1], [1, 1]])


def build(architecture="gru_chrono"):
    backbone = models.MemoryBackbone(architecture, feature_dim=4, units=6, timescale=5)
    preprocessor = models.MemoryPreprocessor(alphabet="ab.:")
    return models.MemoryRecaller(backbone, 2, "ab", preprocessor)


def batch(model):
    return model.preprocessor(INPUTS), TARGETS, None


def argument(input, folder):
    return input
