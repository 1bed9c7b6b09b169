"""Text that a classifier reads piece by piece."""

import numpy as np
from keras import ops

from zoo.models.streams import PredictorStream, compiled
from zoo.models.tokenizer import TEXT, split_before_last_word


class TextStream(PredictorStream):
    """A stream of a text classifier: a piece is a str."""

    def piece_of(self, line):
        return line

    def _begin(self):
        super()._begin()
        self._rest = ""  # a word that may go on
        self._room = self.model.preprocessor.sequence_length - 1  # subwords that still count

    def _read(self, piece, is_last):
        text = self._rest + ("" if piece is None else TEXT.parse(piece))
        words, self._rest = split_before_last_word(text)
        if token_ids := self._token_ids(words):
            _, *self._states = self._continued(token_ids)
            self._room -= len(token_ids)
        if not self._room:
            self._rest = ""
        # The end of the text is read too, but not into the states with which it goes on.
        end = self.model.preprocessor.tokenizer.end_token_id
        output, *_ = self._continued([*self._token_ids(self._rest), end])
        self._output = ops.convert_to_numpy(output)[0]
        return self._output

    def _token_ids(self, text):
        if not text or not self._room:
            return []
        (token_ids,) = self.model.preprocessor.tokenizer([text])
        return [*map(int, token_ids)][: self._room]

    def _continued(self, token_ids):
        return compiled(self.model.continued)(np.array([token_ids], "int32"), self._states)
