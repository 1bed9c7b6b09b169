"""Preprocessor of the text classifier: text in, padded subword ids out."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub

from zoo.models.text_classifier.text_backbone import TextBackbone
from zoo.models.tokenizer import SubwordTokenizer
from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class TextClassifierPreprocessor(keras_hub.models.TextClassifierPreprocessor):
    """Tokenizes text, appends `</s>` and pads a batch to its longest text.

    The end token turns an empty text into a sequence of one step.

    Args:
        tokenizer: a `SubwordTokenizer`.
        sequence_length: int, longer texts are truncated to this many subwords.

    Call arguments:
        x: list of str, or a string tensor `[batch]`.
        y: labels, passed through.
        sample_weight: passed through.

    Returns:
        `x` as a dict of `"token_ids"`, int32 `[batch, time]`, and `"padding_mask"`, bool
        `[batch, time]`; with `y` and `sample_weight` if given.
    """

    backbone_cls = TextBackbone
    tokenizer_cls = SubwordTokenizer

    def __init__(
        self, tokenizer: SubwordTokenizer, sequence_length: int = 512, **kwargs: Any
    ) -> None:
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(self, x: Sequence[str] | Tensor, y: Any = None, sample_weight: Any = None) -> Any:
        token_ids, padding_mask = self.tokenizer.pack(x, end=True, max_length=self.sequence_length)
        x = {"token_ids": token_ids, "padding_mask": padding_mask}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
