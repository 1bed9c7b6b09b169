"""Preprocessor of the language model: text in, token ids and the tokens that follow out."""

import functools

import keras
import keras_hub
import numpy as np

from zoo.models.language_model.language_backbone import LanguageBackbone
from zoo.models.tokenizer import SubwordTokenizer, in_python, is_symbolic, pad_rows

UNKNOWN_ID = 1
CORPUS_UNKNOWN = "▁<unk>"  # a word of a corpus whose vocabulary is closed


@keras.saving.register_keras_serializable(package="zoo")
class LanguageModelPreprocessor(keras_hub.models.CausalLMPreprocessor):
    """Tokenizes text and pads a batch to its longest text.

    A newline stands before every text, so the first token has something to follow.

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
    tokenizer_cls = SubwordTokenizer

    def __init__(self, tokenizer, sequence_length=1024, **kwargs):
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)

    def build(self, input_shape):
        self.built = True

    def call(self, x, y=None, sample_weight=None):
        if is_symbolic(x):
            inputs, targets, mask = in_python(self._pairs, x, ["int32", "int32", "bool"])
        else:
            inputs, targets, mask = self._pairs(x)
        x = {"token_ids": inputs, "padding_mask": mask}
        return keras.utils.pack_x_y_sample_weight(x, targets, mask)

    def _pairs(self, x):
        rows = [row[: self.sequence_length + 1] for row in self.token_ids(x)]
        inputs, mask = pad_rows([row[:-1] for row in rows])
        targets, _ = pad_rows([row[1:] for row in rows])
        return inputs, targets, mask

    @staticmethod
    def is_single(inputs):
        """Whether this is one raw input and no list of them."""
        return isinstance(inputs, str)

    def token_ids(self, texts):
        """The token ids of texts, after that of a newline: a list of lists of int."""
        return [[self._newline, *map(int, row)] for row in self._tokenized(texts)]

    prompt_ids = token_ids

    def _tokenized(self, texts):
        """The token ids of texts, with the corpus' own `<unk>` for unknown words if it has one."""
        rows = self.tokenizer(list(texts))
        if self._corpus_unknown is None:
            return rows
        return [np.where(np.equal(row, UNKNOWN_ID), self._corpus_unknown, row) for row in rows]

    @functools.cached_property
    def _corpus_unknown(self):
        pieces = self.tokenizer.get_vocabulary()
        return pieces.index(CORPUS_UNKNOWN) if CORPUS_UNKNOWN in pieces else None

    @property
    def prefix_length(self):
        """The number of tokens before those of the text."""
        return 1

    @property
    def stop_token_ids(self):
        """The tokens that end a generated text, a tuple of int."""
        return (self.tokenizer.end_token_id,)

    def detokenize(self, token_ids):
        """The text of token ids, a list of int, to the first stop token."""
        special = {self.tokenizer.pad_token_id, self.tokenizer.start_token_id}
        return self.tokenizer.detokenize([[i for i in token_ids if i not in special]])[0]

    @property
    def _newline(self):
        return int(self.tokenizer(["\n"])[0][-1])

    def get_config(self):
        config = keras_hub.models.Preprocessor.get_config(self)
        return {**config, "sequence_length": self.sequence_length}
