"""Text that a language model reads piece by piece."""

import math
from typing import Any

from zoo.models.language_model.continuation import Continuation
from zoo.models.streams import Stream
from zoo.models.tokenizer import TEXT, completed_words


class CausalStream(Stream):
    """A stream of a language model: a piece is a str.

    `read` returns the log-probabilities of the tokens that the piece completes, each given those
    before it, float32 `[tokens]`. All pieces together give those of `score` for the whole text. A
    word is complete when a space follows it and, if it is unknown, a known word.

    Attributes:
        text: the `Continuation` of what was read.
    """

    @property
    def answer(self) -> dict[str, Any] | None:
        """A dict `{"perplexity": float, "tokens": int}` of what was read so far."""
        if not self._tokens:
            return None
        return {"perplexity": math.exp(-self._total / self._tokens), "tokens": self._tokens}

    def answer_text(self, answer: dict[str, Any]) -> str:
        return f"perplexity {answer['perplexity']:.1f} ({answer['tokens']} tokens)"

    def piece_of(self, line: str) -> str:
        return line

    def _begin(self):
        self.text = Continuation(self.model)
        self.text.read(self._first_token_ids())
        self._rest = ""
        self._total, self._tokens = 0.0, 0

    def _read(self, piece, is_last):
        scores = self.text.score(self._completed(piece, is_last))
        self._total += float(scores.sum(dtype="float64"))
        self._tokens += len(scores)
        return scores

    def _first_token_ids(self):
        """The token ids before the first piece."""
        return self.model.preprocessor.token_ids([""])[0]

    def _completed(self, piece, is_last):
        """The token ids that a piece completes."""
        text = self._rest + ("" if piece is None else TEXT.parse(piece))
        preprocessor = self.model.preprocessor
        tokenize = lambda text: preprocessor.token_ids([text])[0][preprocessor.prefix_length :]
        if is_last:
            return tokenize(text)
        token_ids, self._rest = completed_words(text, tokenize, preprocessor.unknown_id)
        return token_ids
