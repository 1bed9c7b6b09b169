"""Text that a classifier reads piece by piece."""

import numpy as np
from keras import ops

from zoo.models.streams import PredictorStream, compiled
from zoo.models.tokenizer import TEXT, completed_words


class TextStream(PredictorStream):
    """A stream of a text classifier: a piece is a str."""

    def piece_of(self, line: str) -> str:
        return line

    def _begin(self):
        super()._begin()
        self._rest = ""  # words that may continue
        self._room = self.model.preprocessor.sequence_length - 1  # subwords left before truncation

    def _read(self, piece, is_last):
        text = self._rest + ("" if piece is None else TEXT.parse(piece))
        token_ids, self._rest = completed_words(text, self._tokenize)
        if token_ids := token_ids[: self._room]:
            _, *self._states = self._continued(token_ids)
            self._room -= len(token_ids)
        if not self._room:
            self._rest = ""
        # The end of the text is read too, but not into the states that are kept.
        end = self.model.preprocessor.tokenizer.end_token_id
        output, *_ = self._continued([*self._tokenize(self._rest)[: self._room], end])
        self._output = ops.convert_to_numpy(output)[0]
        return self._output

    def _tokenize(self, text):
        return [*map(int, self.model.preprocessor.tokenizer([text])[0])] if text else []

    def _continued(self, token_ids):
        return compiled(self.model.continued)(np.array([token_ids], "int32"), self._states)
