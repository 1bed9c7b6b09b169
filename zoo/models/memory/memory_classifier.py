"""Task: a sequence in, probabilities of labels out."""

from collections.abc import Sequence
from typing import Any, Literal

import keras_hub

from zoo.models.memory.memory_backbone import MemoryBackbone
from zoo.models.memory.memory_input import MemoryInput
from zoo.models.memory.memory_preprocessor import MemoryPreprocessor
from zoo.models.protocol import register
from zoo.models.sequence_classifier import SequenceClassifier


@register
class MemoryClassifier(MemoryInput, SequenceClassifier, keras_hub.models.Task):
    """Classifies a sequence of symbols or values by a softmax over the recurrent layer's last
    output.

    `predict` takes a list of str of symbols, or of float arrays `[time, features]`, and returns
    float32 probabilities `[batch, classes]`, in the order of `labels`. Arguments as in
    `SequenceClassifier`, with a `MemoryBackbone` and a `MemoryPreprocessor`.

    Example:
    ```python
    backbone = zoo.models.MemoryBackbone("gru_chrono", feature_dim=3, timescale=100)
    preprocessor = zoo.models.MemoryPreprocessor(alphabet="abX")
    model = zoo.models.MemoryClassifier(backbone, ["none", "some"], preprocessor)
    model.predict(["abba", "abXa"])
    ```
    """

    backbone_cls = MemoryBackbone
    preprocessor_cls = MemoryPreprocessor

    def __init__(
        self,
        backbone: MemoryBackbone,
        labels: Sequence[str],
        preprocessor: MemoryPreprocessor | None = None,
        pooling: Literal["mean", "max", "last"] = "last",
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, labels, preprocessor, pooling=pooling, **kwargs)
