"""A text classifier."""

import numpy as np
from texts import TEXTS, tokenizer

from zoo import models
from zoo.layers import architectures

ARCHITECTURES = architectures.names()
INPUTS = TEXTS


def build(architecture="gru"):
    backbone = models.TextBackbone(
        tokenizer().vocabulary_size(), architecture, embedding_dim=8, units=6
    )
    preprocessor = models.TextClassifierPreprocessor(tokenizer())
    return models.TextClassifier(backbone, ["bad", "good"], preprocessor)


def batch(model):
    return model.preprocessor(INPUTS), np.array([0, 1, 1, 0]), None


def argument(input, folder):
    return input
