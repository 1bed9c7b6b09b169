"""A classifier of sequences of symbols."""

import numpy as np

from zoo import models

ARCHITECTURES = ["gru", "lstm_chrono"]
INPUTS = ["abba", "b", "aXbab", "bab"]


def build(architecture="gru"):
    backbone = models.MemoryBackbone(architecture, feature_dim=3, units=6, timescale=5)
    preprocessor = models.MemoryPreprocessor(alphabet="abX")
    return models.MemoryClassifier(backbone, ["none", "some"], preprocessor)


def batch(model):
    return model.preprocessor(INPUTS), np.array([0, 0, 1, 0]), None


def argument(input, folder):
    return input
