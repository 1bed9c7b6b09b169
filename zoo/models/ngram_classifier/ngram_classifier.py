"""Task: text in, probabilities of labels out, from n-grams alone."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub

from zoo.models.classifier import Classifier
from zoo.models.ngram_classifier.ngram_backbone import NgramBackbone
from zoo.models.protocol import register
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor
from zoo.models.text_classifier.text_ensemble import TextEnsemble
from zoo.models.text_input import TextInput


@register
class NgramClassifier(TextInput, Classifier, keras_hub.models.TextClassifier):
    """Classifies text by a softmax over the summed scores of its n-grams.

    It scores phrases too rare for a recurrent model to learn, but sees nothing longer than its
    n-grams: in an `ensemble` each corrects mistakes of the other (G. Mesnil et al., "Ensemble of
    Generative and Discriminative Techniques for Sentiment Analysis of Movie Reviews", 2015).

    It isn't trained by `fit`: the benchmarks' recipe step `ensemble` makes one from labelled texts.

    `predict` takes a list of str and returns float32 probabilities `[batch, classes]`, in the
    order of `labels`.

    Args:
        backbone: an `NgramBackbone`.
        labels: list of str, the names of the classes in order.
        preprocessor: a `TextClassifierPreprocessor`, or None to pass padded batches yourself.
    """

    task_kind = "sentiment"
    ensemble_class = TextEnsemble
    backbone_cls = NgramBackbone
    preprocessor_cls = TextClassifierPreprocessor

    def __init__(
        self,
        backbone: NgramBackbone,
        labels: Sequence[str],
        preprocessor: keras_hub.models.Preprocessor | None = None,
        **kwargs: Any,
    ) -> None:
        softmax = keras.layers.Softmax(dtype="float32", name="probabilities")
        outputs = softmax(backbone(backbone.input))
        super().__init__(backbone, labels, preprocessor, outputs, **kwargs)

    def stream_obstacle(self) -> str | None:
        return (
            "A linear model of n-grams keeps no state between the pieces of a text, so it needs "
            "the whole text. Use a unidirectional recurrent model."
        )
