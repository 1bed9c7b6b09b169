"""The frames of a waveform that arrives in pieces."""

import numpy as np
from keras import ops

from zoo.models.audio.front_end import FrontEnd
from zoo.models.audio.windows import Windows
from zoo.models.streams import compiled


class FrameStream:
    """Computes the frames of a waveform that arrives in pieces; how it is cut doesn't matter.

    Args:
        front_end: a `FrontEnd` without a `stream_obstacle`.
    """

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self._windows = Windows(front_end.frame_step, *front_end.reach)

    def read(self, sound: np.ndarray, is_last: bool = False) -> np.ndarray:
        """Reads a piece; returns the frames that it completes, float32 `[frames, features]`.

        Args:
            sound: float32 `[samples]`.
            is_last: bool, whether the waveform ends.
        """
        found = self._windows.read(sound, is_last)
        if found is None:
            width = self.front_end.compute_output_shape((1, None), (1, None))[0][-1]
            return np.zeros((0, width), "float32")
        window, span = found
        (frames,) = compiled(self.front_end.frames_of)(window[None], span)
        return ops.convert_to_numpy(frames)[0]
