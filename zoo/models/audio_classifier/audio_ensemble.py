"""Task: an ensemble of audio classifiers."""

import keras_hub

from zoo.models.audio.audio_input import AudioInput
from zoo.models.audio_classifier.audio_classifier_preprocessor import AudioClassifierPreprocessor
from zoo.models.classifier import Classifier
from zoo.models.ensemble import Ensemble
from zoo.models.protocol import register


@register
class AudioEnsemble(Ensemble, AudioInput, Classifier, keras_hub.models.Task):
    """Classifies audio by the mean of several models' probabilities.

    `zoo.models.ensemble` makes one from audio classifiers. Arguments as in `Classifier`, with an
    `EnsembleBackbone` and an `AudioClassifierPreprocessor`.
    """

    task_kind = "speech"
    preprocessor_cls = AudioClassifierPreprocessor
