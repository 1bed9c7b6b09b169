"""Task: text in, probabilities of labels out, by n-grams alone."""

import keras
import keras_hub

from zoo.models.ngram_classifier.ngram_backbone import NgramBackbone
from zoo.models.sequence_classifier import Classifier
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor


@keras.saving.register_keras_serializable(package="zoo")
class NgramClassifier(Classifier, keras_hub.models.TextClassifier):
    """Classifies text by a softmax over what its n-grams say.

    It knows phrases that a recurrent model saw too seldom, and nothing that is longer: in an
    `ensemble` the two mend each other's mistakes (G. Mesnil et al., "Ensemble of Generative and
    Discriminative Techniques for Sentiment Analysis of Movie Reviews", 2015).

    It isn't trained by `fit`: `benchmarks.tasks.ngrams.fit` makes one of labelled texts, and a
    suite does with `ngram_order`.

    `predict` takes a list of str and gives float32 probabilities `[batch, classes]`, in the
    order of `labels`.

    Args:
        backbone: an `NgramBackbone`.
        labels: list of str, the names of the classes in order.
        preprocessor: a `TextClassifierPreprocessor`, or None to give padded batches yourself.
    """

    backbone_cls = NgramBackbone
    preprocessor_cls = TextClassifierPreprocessor

    def __init__(self, backbone, labels, preprocessor=None, **kwargs):
        outputs = keras.layers.Softmax(dtype="float32", name="probabilities")(
            backbone(backbone.input)
        )
        super().__init__(backbone, outputs, labels, preprocessor, **kwargs)
