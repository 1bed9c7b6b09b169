"""A transcription of sound as it arrives, piece by piece."""

from typing import Any

import numpy as np
from keras import ops

from zoo.models.audio.clips import check_piece
from zoo.models.audio.frame_stream import FrameStream
from zoo.models.audio.windows import Windows
from zoo.models.protocol import TaskModel
from zoo.models.speech_recognizer.speech_recognizer_preprocessor import BLANK
from zoo.models.streams import Stream, compiled, numbers_of

AT_ONCE = 10  # seconds of a piece, or thousands of frames, so that memory is bounded


class Transcription(Stream):
    """A stream of a speech recogniser: a piece is a waveform `[samples]`, or frames
    `[frames, feature_dim]` if the model has no front end.

    `read` returns the text that the piece adds, a str, greedily. All pieces together give the text
    of the whole sound, as `generate` with a beam width of 1.
    """

    def __init__(self, model: TaskModel) -> None:
        front_end = model.preprocessor.front_end_layer
        self._feature_dim = model.preprocessor.feature_dim if front_end is None else None
        self.sampling_rate = None if front_end is None else model.preprocessor.sampling_rate
        super().__init__(model)

    @property
    def answer(self) -> dict[str, Any]:
        return {"output": "".join(self._texts)}

    def piece_of(self, line: str) -> np.ndarray | None:
        numbers = numbers_of(line)
        return numbers[None] if len(numbers) else None

    def _begin(self):
        backbone = self.model.backbone
        front_end = self.model.preprocessor.front_end_layer
        self._frames = None if front_end is None else FrameStream(front_end)
        reach = backbone.slopes.reach
        self._windows = Windows(backbone.stack, reach, backbone.stack + reach)
        self._states = backbone.initial_states(1)
        self._last = BLANK
        self._texts = []

    def _read(self, piece, is_last):
        sound = check_piece(piece, self._feature_dim)
        size = AT_ONCE * (self.sampling_rate or 1000)
        starts = range(0, max(1, len(sound)), size)
        parts = (
            self._read_part(sound[start : start + size], is_last and start == starts[-1])
            for start in starts
        )
        text = "".join(parts)
        if text:
            self._texts.append(text)
        return text

    def _read_part(self, sound, is_last):
        frames = sound if self._frames is None else self._frames.read(sound, is_last)
        found = self._windows.read(frames, is_last)
        if found is None:
            return ""
        window, span = found
        rows, *self._states = compiled(self.model.continued)((window[None], span), self._states)
        path = ops.convert_to_numpy(rows)[0].argmax(axis=-1)
        is_new = path != np.concatenate([[self._last], path[:-1]])
        self._last = path[-1]
        return self.model.preprocessor.text(path[is_new & (path != BLANK)])
