"""Preprocessor of the language model: text in, token ids and the tokens that follow out."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.models.language_model.causal_preprocessor import CausalPreprocessor
from zoo.models.language_model.language_backbone import LanguageBackbone
from zoo.models.tokenizer import UNKNOWN_ID, in_python, is_symbolic, require_strings, texts_of
from zoo.typing import Tensor

CORPUS_UNKNOWN = "▁<unk>"  # a word of a corpus whose vocabulary is closed


@keras.saving.register_keras_serializable(package="zoo")
class LanguageModelPreprocessor(CausalPreprocessor):
    """Tokenizes text and pads a batch to its longest text.

    A newline precedes every text, so that the first token is predicted too.

    Args:
        tokenizer: a `SubwordTokenizer` that keeps whitespace.
        sequence_length: int, in training, longer texts are truncated to this many tokens.

    Call arguments:
        x: list of str, or a string tensor `[batch]`.

    Returns:
        `(x, y, sample_weight)`: a dict of `"token_ids"`, int32 `[batch, time]`, and
        `"padding_mask"`, bool `[batch, time]`; the tokens that follow, int32 `[batch, time]`; and
        bool weights `[batch, time]`, False at padding.
    """

    backbone_cls = LanguageBackbone

    def call(
        self, x: Sequence[str] | Tensor, y: Any = None, sample_weight: Any = None
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        convert = lambda texts: self.pairs(self.token_ids(texts))
        if is_symbolic(x):
            require_strings(x)
            inputs, targets, mask = in_python(convert, x, ["int32", "int32", "bool"])
        else:
            inputs, targets, mask = convert(x)
        x = {"token_ids": inputs, "padding_mask": mask}
        return keras.utils.pack_x_y_sample_weight(x, targets, mask)

    @staticmethod
    def is_single(inputs: Any) -> bool:
        return isinstance(inputs, str)

    def token_ids(self, inputs: Sequence[str] | Tensor) -> list[list[int]]:
        """The token ids of texts, after that of a newline: a list of lists of int."""
        texts = texts_of(inputs)
        if self._is_of_words:  # words are separated by spaces
            texts = [text.replace("\n", " \n ") for text in texts]
        rows = self.tokenizer(texts)
        if self._corpus_unknown is not None:
            rows = [np.where(np.equal(row, UNKNOWN_ID), self._corpus_unknown, row) for row in rows]
        return [[self._newline, *map(int, row)] for row in rows]

    def detokenize(self, token_ids: Sequence[int]) -> str:
        special = {self.tokenizer.pad_token_id, self.tokenizer.start_token_id}
        return self.tokenizer.detokenize([[i for i in token_ids if i not in special]])[0]

    @property
    def unknown_id(self) -> int:
        """The token id of an unknown word or character."""
        return UNKNOWN_ID if self._corpus_unknown is None else self._corpus_unknown

    @functools.cached_property
    def _newline(self):
        return int(self.tokenizer(["\n"])[0][-1])

    @functools.cached_property
    def _is_of_words(self):
        return self.tokenizer.id_to_token(self._newline) == "▁\n"

    @functools.cached_property
    def _corpus_unknown(self):
        """The id of the corpus' own word for unknown words, None if it has none."""
        pieces = self.tokenizer.get_vocabulary()
        return pieces.index(CORPUS_UNKNOWN) if CORPUS_UNKNOWN in pieces else None
