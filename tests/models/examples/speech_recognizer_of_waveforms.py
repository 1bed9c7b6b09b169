"""A speech recogniser of waveforms, with beam search and a bigram of words."""

import keras
import numpy as np
import soundfile

from zoo import models
from zoo.models.speech_recognizer.ngrams import WordNgrams

ARCHITECTURES = ["gru"]
INPUTS = [
    np.random.default_rng(samples).normal(0, 0.1, samples).clip(-1, 1).astype("float32")
    for samples in (1, 800, 9001)
]


def build(architecture="gru", **options):
    backbone = models.SpeechBackbone(
        architecture, feature_dim=5, units=6, num_layers=2, normalization="running", **options
    )
    preprocessor = models.SpeechRecognizerPreprocessor(
        " abe", feature_dim=5, front_end="sphinx_cepstra"
    )
    model = models.SpeechRecognizer(
        backbone,
        preprocessor,
        beam_width=4,
        ngrams=WordNgrams.fit(["a bee", "be a bee"], order=2),
        ngram_weight=0.5,
    )
    model.logits.kernel.assign(keras.random.normal(model.logits.kernel.shape, stddev=3))
    return model


def batch(model):
    return (*model.preprocessor(INPUTS, ["", "a", "a bee"], None), None)


def export_inputs(model):
    """Waveforms, since the front end is exported with the network."""
    lengths = np.array([len(one) for one in INPUTS])
    mask = np.arange(lengths.max()) < lengths[:, None]
    audio = np.zeros(mask.shape, "float32")
    audio[mask] = np.concatenate(INPUTS)
    return {"audio": audio, "padding_mask": mask}


def argument(input, folder):
    soundfile.write(folder / "sound.wav", input, 16000, subtype="FLOAT")
    return str(folder / "sound.wav")
