"""A token sequence that is read, scored and continued piece by piece, with the states kept."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.protocol import TaskModel
from zoo.models.streams import compiled

STREAMED_AT_ONCE = 8  # tokens between two pieces of text
SCORED_AT_ONCE = 128  # tokens, which bounds the memory of their logits


class Continuation:
    """A token sequence that is read and continued piece by piece, with the states kept.

    Args:
        model: a `CausalTask`, whose present sampler draws the tokens even if it gets another.

    Attributes:
        last: int, the last token.
    """

    def __init__(self, model: TaskModel) -> None:
        self.model = model
        self._draw_tokens = model.make_continue_function()
        self._states = model._zero_states(1)
        self.last: Any = None

    def read(self, token_ids: Sequence[int]) -> None:
        """Reads token ids, a list of int."""
        token_ids = [*([] if self.last is None else [self.last]), *token_ids]
        if len(token_ids) > 1:
            inputs = {
                "token_ids": np.array([token_ids[:-1]], "int32"),
                "padding_mask": np.ones((1, len(token_ids) - 1), "bool"),
                "states": self._states,
            }
            self._states = self.model.backbone.with_states.predict_on_batch(inputs)["states"]
        self.last = token_ids[-1]

    def score(self, token_ids: Sequence[int]) -> np.ndarray:
        """Reads token ids, a list of int, after others; returns their log-probabilities given those
        before them, float32 `[tokens]`."""
        scores = [np.zeros(0, "float32")]
        for start in range(0, len(token_ids), SCORED_AT_ONCE):
            targets = np.array([token_ids[start : start + SCORED_AT_ONCE]], "int32")
            inputs = np.concatenate([[[self.last]], targets[:, :-1]], axis=1, dtype="int32")
            found, *states = compiled(self.model.continued)((inputs, targets), self._states)
            self._states = keras.tree.pack_sequence_as(self._states, states)
            scores.append(ops.convert_to_numpy(found)[0])
            self.last = int(targets[0, -1])
        return np.concatenate(scores)

    def pieces(self, count: int, before: Sequence[int] = ()) -> Iterator[str]:
        """Draws up to `count` tokens, to the first stop token; yields their text in pieces.

        Args:
            count: int.
            before: the last token of the text to be continued, `[]` if none: a space may follow it.
        """
        preprocessor = self.model.preprocessor
        tokens: list[int] = []
        told = preprocessor.detokenize(list(before))
        while len(tokens) < count:
            drawn = self._draw(min(STREAMED_AT_ONCE, count - len(tokens)))
            tokens += drawn
            is_over = drawn[-1] in preprocessor.stop_token_ids or len(tokens) >= count
            text = preprocessor.detokenize([*before, *tokens])
            if not is_over:  # the last bytes of a character may still be missing
                text = text.rstrip("\N{REPLACEMENT CHARACTER}")
            if len(text) > len(told):
                yield text[len(told) :]
                told = text
            if is_over:
                return

    def _draw(self, count):
        """Draws `count` tokens or fewer, to the first stop token, and reads them."""
        stop = self.model.preprocessor.stop_token_ids
        row = [self.last] + [0] * count
        mask = [True] + [False] * count
        drawn = ops.convert_to_numpy(
            self._draw_tokens(
                ops.convert_to_tensor([row], "int32"),
                ops.convert_to_tensor([mask], "bool"),
                keras.tree.map_structure(ops.convert_to_tensor, self._states),
                stop_token_ids=stop,
            )
        )[0, 1:].tolist()
        end = next((i for i, token in enumerate(drawn) if token in stop), count - 1)
        drawn = drawn[: end + 1]
        self.read(drawn)
        return drawn
