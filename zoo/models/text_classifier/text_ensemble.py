"""Task: an ensemble of text classifiers."""

import keras_hub

from zoo.models.classifier import Classifier
from zoo.models.ensemble import Ensemble
from zoo.models.protocol import register
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor
from zoo.models.text_classifier.text_stream import TextStream
from zoo.models.text_input import TextInput


@register
class TextEnsemble(Ensemble, TextInput, Classifier, keras_hub.models.TextClassifier):
    """Classifies text by the mean of several models' probabilities.

    `zoo.models.ensemble` makes one from text classifiers of any class. Arguments as in
    `Classifier`, with an `EnsembleBackbone` and a `TextClassifierPreprocessor`.
    """

    task_kind = "sentiment"
    preprocessor_cls = TextClassifierPreprocessor

    def open_stream(self) -> TextStream:
        return TextStream(self)
