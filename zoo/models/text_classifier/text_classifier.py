"""Task: text in, probabilities of labels out."""

import keras_hub

from zoo.models.protocol import register
from zoo.models.sequence_classifier import SequenceClassifier
from zoo.models.text_classifier.text_backbone import TextBackbone
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor
from zoo.models.text_classifier.text_ensemble import TextEnsemble
from zoo.models.text_classifier.text_stream import TextStream
from zoo.models.text_input import TextInput


@register
class TextClassifier(TextInput, SequenceClassifier, keras_hub.models.TextClassifier):
    """Classifies text with a recurrent encoder, pooling over time and a softmax.

    `predict` takes a list of str and returns float32 probabilities `[batch, classes]`, in the
    order of `labels`. Arguments as in `SequenceClassifier`, with a `TextBackbone` and a
    `TextClassifierPreprocessor`.

    Example:
    ```python
    model = zoo.models.TextClassifier.from_preset(folder)
    model.predict(["a wonderful film"])
    ```
    """

    task_kind = "sentiment"
    ensemble_class = TextEnsemble
    backbone_cls = TextBackbone
    preprocessor_cls = TextClassifierPreprocessor

    def open_stream(self) -> TextStream:
        return TextStream(self)
