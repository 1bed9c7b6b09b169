"""An n-gram classifier that knows every n-gram of its inputs; it has no architecture."""

import numpy as np
from texts import tokenizer

from examples.text_classifier import INPUTS, argument, batch
from zoo import models
from zoo.models.ngram_classifier.ngram_backbone import hashes

__all__ = ["INPUTS", "argument", "batch"]

ARCHITECTURES = [None]


def build(architecture=None):
    preprocessor = models.TextClassifierPreprocessor(tokenizer())
    keys = np.setdiff1d(hashes(**preprocessor(INPUTS), order=2), [0])  # 0 is padding
    backbone = models.NgramBackbone(len(keys), 2, order=2)
    scores = np.random.default_rng(0).normal(size=(len(keys), 2))
    backbone.scores.set_weights([keys, scores, np.array([0.5, 1.0])])
    return models.NgramClassifier(backbone, ["bad", "good"], preprocessor)
