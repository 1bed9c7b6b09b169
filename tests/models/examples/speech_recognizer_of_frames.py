"""A speech recogniser of frames of features."""

import keras
import numpy as np

from zoo import models
from zoo.layers import architectures

ARCHITECTURES = architectures.names()
INPUTS = [
    np.random.default_rng(0).normal(size=(frames, 3)).astype("float32") for frames in (25, 1, 39)
]
TEXTS = ["a bee", "", "be aba"]


def build(architecture="gru"):
    backbone = models.SpeechBackbone(architecture, feature_dim=3, units=6, num_layers=1, stack=2)
    backbone.adapt(INPUTS)
    model = models.SpeechRecognizer(
        backbone, models.SpeechRecognizerPreprocessor(" abe", feature_dim=3)
    )
    # An untrained model would hardly write anything but blanks.
    kernel = keras.random.normal(model.logits.kernel.shape, stddev=3)
    model.logits.kernel.assign(kernel)
    return model


def batch(model):
    return (*model.preprocessor(INPUTS, TEXTS, None), None)


def argument(input, folder):
    np.save(folder / "frames.npy", input)
    return str(folder / "frames.npy")
