"""Base class of the preprocessors of models that continue token sequences."""

from collections.abc import Sequence
from typing import Any

import keras_hub
import numpy as np

from zoo.models.tokenizer import SubwordTokenizer, pad_rows
from zoo.typing import Shape


class CausalPreprocessor(keras_hub.models.CausalLMPreprocessor):
    """Tokenizes raw inputs and pads a batch to its longest one.

    A subclass defines `call`, `is_single`, `token_ids` and `detokenize`.

    Args:
        tokenizer: a `SubwordTokenizer`.
        sequence_length: int, in training, longer inputs are truncated to this many tokens.

    Attributes:
        prefix_length: int, the number of tokens before those of the text.
    """

    tokenizer_cls = SubwordTokenizer
    prefix_length = 1

    def __init__(
        self, tokenizer: SubwordTokenizer, sequence_length: int = 512, **kwargs: Any
    ) -> None:
        super().__init__(tokenizer, sequence_length=sequence_length, **kwargs)

    def build(self, input_shape: Shape) -> None:
        self.built = True

    @staticmethod
    def is_single(inputs: Any) -> bool:
        """Whether this is one raw input, not a list of them."""
        raise NotImplementedError

    def token_ids(self, inputs: Any) -> list[list[int]]:
        """The token ids of raw inputs, after `prefix_length` others: a list of lists of int."""
        raise NotImplementedError

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of token ids, a list of int, without special tokens."""
        raise NotImplementedError

    def pairs(self, rows: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Token ids and those that follow, for rows, lists of int.

        Returns:
            `(inputs, targets, mask)`: int32, int32 and bool arrays `[batch, time]`.
        """
        rows = [row[: self.sequence_length + 1] for row in rows]
        inputs, mask = pad_rows([row[:-1] for row in rows])
        targets, _ = pad_rows([row[1:] for row in rows])
        return inputs, targets, mask

    def generate_preprocess(self, x: Any, sequence_length: int | None = None) -> Any:
        raise NotImplementedError("`generate` tokenizes prompts with `token_ids`.")

    def generate_postprocess(self, x: Any) -> Any:
        raise NotImplementedError("`generate` makes texts with `detokenize`.")

    @property
    def stop_token_ids(self) -> tuple[int, ...]:
        """The tokens that end a generated text, a tuple of int."""
        return (self.tokenizer.end_token_id,)

    def get_config(self) -> dict[str, Any]:
        config = keras_hub.models.Preprocessor.get_config(self)
        return {**config, "sequence_length": self.sequence_length}
