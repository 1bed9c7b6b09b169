"""Sound that a classifier reads piece by piece."""

import numpy as np

from zoo.models.audio.clips import check_piece
from zoo.models.audio.windows import Windows
from zoo.models.protocol import InputError, TaskModel
from zoo.models.streams import PredictorStream, numbers_of

AT_ONCE = 10  # seconds of a piece, or thousands of frames, so that memory is bounded


class AudioStream(PredictorStream):
    """A stream of an audio classifier: a piece is a waveform `[samples]`, or frames
    `[frames, feature_dim]`.

    A frame counts once all samples that it depends on have arrived: up to 16 ms after its centre,
    or 36 ms with deltas. `is_last` completes the last frames.
    """

    def __init__(self, model: TaskModel) -> None:
        backbone = model.members[0].backbone
        self._feature_dim = backbone.feature_dim if backbone.log_mel is None else None
        self.sampling_rate = None if backbone.log_mel is None else backbone.sampling_rate
        super().__init__(model)

    def piece_of(self, line: str) -> np.ndarray | None:
        numbers = numbers_of(line)
        return numbers[None] if len(numbers) else None

    def _begin(self):
        super()._begin()
        self._is_empty = True
        if self.sampling_rate is None:
            self._windows = Windows(1, 0, 1)
            return
        front_ends = [member.backbone.log_mel for member in self.model.members]
        reaches = zip(*(one.reach for one in front_ends), strict=True)
        self._windows = Windows(front_ends[0].frame_step, *map(max, reaches))

    def _read(self, piece, is_last):
        clip = check_piece(piece, self._feature_dim)
        if is_last and self._is_empty and not len(clip):
            raise InputError("A clip must have at least one sample or frame. Received none.")
        self._is_empty = self._is_empty and not len(clip)
        size = AT_ONCE * (self.sampling_rate or 1000)
        starts = range(0, max(1, len(clip)), size)
        for start in starts:
            found = self._windows.read(clip[start : start + size], is_last and start == starts[-1])
            if found is not None:
                window, span = found
                self._advance((window[None], span))
        return self._output
