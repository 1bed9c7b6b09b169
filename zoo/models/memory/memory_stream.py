"""A sequence of symbols or values that arrives in pieces."""

from typing import Any

import numpy as np

from zoo.models.protocol import InputError
from zoo.models.streams import PredictorStream, numbers_of


class MemoryStream(PredictorStream):
    """A stream of a memory model: a piece is a str of symbols, or an array `[time, features]`."""

    def piece_of(self, line: str) -> Any:
        if self.model.preprocessor.feature_dim is None:
            return line.rstrip("\r\n")
        numbers = numbers_of(line)
        return numbers[None] if len(numbers) else None

    def _begin(self):
        super()._begin()
        self._missing = self.model.least_steps

    def _read(self, piece, is_last):
        vectors = np.zeros((0, 0)) if piece is None else self.model.preprocessor.vectors(piece)
        missing = max(0, self._missing - len(vectors))
        if is_last and missing:
            least = self.model.least_steps
            raise InputError(
                f"A sequence needs at least {least} steps. Received: {least - missing}"
            )
        self._missing = missing
        if len(vectors):
            self._advance(vectors[None])
        if missing:
            self._output = None
        return self._output
