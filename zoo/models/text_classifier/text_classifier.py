"""Task: text in, probabilities of labels out."""

import keras
import keras_hub

from zoo.models.sequence_classifier import SequenceClassifier
from zoo.models.text_classifier.text_backbone import TextBackbone
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor


@keras.saving.register_keras_serializable(package="zoo")
class TextClassifier(SequenceClassifier, keras_hub.models.TextClassifier):
    """Classifies text with a recurrent encoder, pooling over time and a softmax.

    `predict` takes a list of str and gives float32 probabilities `[batch, classes]`, in the
    order of `labels`. Arguments as in `SequenceClassifier`, with a `TextBackbone` and a
    `TextClassifierPreprocessor`.

    Example:
    ```python
    model = zoo.models.TextClassifier.from_preset(folder)
    model.predict(["a wonderful film"])
    ```
    """

    backbone_cls = TextBackbone
    preprocessor_cls = TextClassifierPreprocessor
