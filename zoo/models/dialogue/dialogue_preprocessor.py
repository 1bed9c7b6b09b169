"""Preprocessor of the dialogue model: conversations in, token ids with turn markers out."""

import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from zoo.models.dialogue.dialogue_backbone import DialogueBackbone
from zoo.models.language_model.causal_preprocessor import CausalPreprocessor
from zoo.models.protocol import InputError

CUT = "<cut>"


@keras.saving.register_keras_serializable(package="zoo")
class DialoguePreprocessor(CausalPreprocessor):
    """Tokenizes conversations and pads a batch to its longest one.

    A conversation is `<s> turn </s> turn </s> ...`. One that is read from its middle begins with
    `<cut>` instead of `<s>`, so that its first turn isn't mistaken for an opening.

    Args:
        tokenizer: a `SubwordTokenizer` with the marker `"<cut>"`.
        sequence_length: int, in training, longer conversations are truncated to this many tokens.

    Call arguments:
        x: list of conversations, lists of str, one str per turn.

    Returns:
        `(x, y, sample_weight)`: a dict of `"token_ids"`, int32 `[batch, time]`, and
        `"padding_mask"`, bool `[batch, time]`; the tokens that follow, int32 `[batch, time]`; and
        bool weights `[batch, time]`, False at padding.

    Raises:
        ValueError: the tokenizer lacks the marker, or a turn isn't a str.
    """

    backbone_cls = DialogueBackbone

    def call(
        self, x: Sequence[Sequence[str]], y: Any = None, sample_weight: Any = None
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        return self.batch([self.conversation_ids(turns) for turns in x])

    def batch(
        self, rows: Sequence[Sequence[int]]
    ) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """What `call` returns, for token ids of conversations, lists of int."""
        inputs, targets, mask = self.pairs(rows)
        return {"token_ids": inputs, "padding_mask": mask}, targets, mask

    def conversation_ids(self, turns: Sequence[str], is_cut: bool = False) -> list[int]:
        """The token ids of a conversation, a list of int.

        Args:
            turns: list of str.
            is_cut: bool, whether turns before the first are left out.
        """
        if not isinstance(turns, (list, tuple)):
            raise InputError(
                "A conversation must be a list of str, one for each turn, such as ['Hi!']. "
                f"Received: {turns!r}"
            )
        row = [self.cut_id if is_cut else self.tokenizer.start_token_id]
        for ids in self.turn_ids(turns):
            row += ids
        return row

    def turn_ids(self, turns: Sequence[str]) -> list[list[int]]:
        """The token ids of each turn, with `</s>`: a list of lists of int."""
        for turn in turns:
            if not isinstance(turn, str):
                raise InputError(
                    "A conversation must be a list of str, one for each turn. "
                    f"Received the turn: {turn!r}"
                )
        end = self.tokenizer.end_token_id
        return [[*map(int, row), end] for row in self.tokenizer(list(turns))] if turns else []

    @functools.cached_property
    def cut_id(self) -> int:
        """The token id of `<cut>`."""
        id = self.tokenizer.token_to_id(CUT)
        if self.tokenizer.id_to_token(id) != CUT:
            raise ValueError(f"The tokenizer must have the marker {CUT!r}, but doesn't.")
        return id

    @staticmethod
    def is_single(inputs: Any) -> bool:
        """Whether this is one conversation, not a list of them."""
        return isinstance(inputs, str) or (
            bool(inputs) and all(isinstance(turn, str) for turn in inputs)
        )

    def token_ids(self, inputs: Sequence[Sequence[str]]) -> list[list[int]]:
        """The token ids of conversations, a list of lists of int."""
        return [self.conversation_ids(turns) for turns in inputs]

    def detokenize(self, token_ids: Sequence[int]) -> str:
        """The text of token ids, a list of int, without markers."""
        tokenizer = self.tokenizer
        markers = {
            tokenizer.pad_token_id,
            tokenizer.start_token_id,
            tokenizer.end_token_id,
            self.cut_id,
        }
        return tokenizer.detokenize([[i for i in token_ids if i not in markers]])[0]
