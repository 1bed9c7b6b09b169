"""An audio classifier of waveforms; its layers are tested with every architecture on frames."""

import numpy as np
import soundfile

from zoo import models

ARCHITECTURES = ["gru"]
INPUTS = [np.sin(np.arange(samples) / 3).astype("float32") / 2 for samples in (1, 800, 3001)]


def build(architecture="gru"):
    backbone = models.AudioBackbone(architecture, front_end="mfcc", feature_dim=5, units=6)
    backbone.adapt(INPUTS)
    preprocessor = models.AudioClassifierPreprocessor()
    return models.AudioClassifier(backbone, ["low", "high"], preprocessor)


def batch(model):
    return model.preprocessor(INPUTS), np.array([0, 1, 1]), None


def argument(input, folder):
    soundfile.write(folder / "sound.wav", input, 8000, subtype="FLOAT")
    return str(folder / "sound.wav")
