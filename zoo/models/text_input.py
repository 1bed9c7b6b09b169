"""Base class of models that take text: raw input, and subwords as labels of steps."""

import hashlib
from typing import Any

from zoo.models.protocol import InputError, InputSchema, TaskModel
from zoo.models.tokenizer import TEXT
from zoo.typing import Tensor


class TextInput(TaskModel):
    """A task model whose raw input is a text.

    A mixin before a `keras_hub.models.Task` whose preprocessor has a `SubwordTokenizer`.
    """

    @property
    def input_schema(self) -> InputSchema:
        return TEXT

    def read_input(self, argument: str) -> Any:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"Text must be UTF-8. Received: {argument!r}") from error
        return argument

    def step_labels(self, inputs: dict[str, Tensor], mask_name: str, count: int) -> list[str]:
        """The subwords that the mask belongs to."""
        token_ids = inputs[mask_name.replace("padding_mask", "token_ids")][0]
        return [self.preprocessor.tokenizer.id_to_token(int(id)) for id in token_ids[:count]]

    def shared_by_members(self) -> dict[str, Any]:
        if self.preprocessor is None:
            return super().shared_by_members()
        tokenizer = self.preprocessor.tokenizer
        digest = hashlib.sha256(tokenizer.proto).hexdigest()
        return {
            **super().shared_by_members(),
            "vocabulary": f"{tokenizer.vocabulary_size()} subwords, SHA-256 {digest[:8]}",
            "sequence length": self.preprocessor.sequence_length,
        }
