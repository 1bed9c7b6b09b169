"""Base class of the front ends, which turn waveforms into frames of features."""

from typing import Any

import keras
from keras import ops

from zoo.typing import DType, Tensor


class FrontEnd(keras.layers.Layer):
    """Frames of features of a padded batch of waveforms, in float32 whatever the global policy.

    Call arguments:
        waveform: float tensor `[batch, samples]`, amplitudes in -1 to 1.
        padding_mask: bool tensor `[batch, samples]`, False at padding.

    Returns:
        `(features, padding_mask)`: float32 `[batch, frames, features]`, bool `[batch, frames]`.

    Attributes:
        frame_step: int, samples from one frame to the next.
        reach: pair of int, the samples that a frame depends on: their number before its first or
            central sample, and from that sample on.
    """

    def __init__(self, dtype: DType = "float32", **kwargs: Any) -> None:
        super().__init__(dtype=dtype, **kwargs)

    def stream_obstacle(self) -> str | None:
        """Why frames can't be computed from a part of a waveform, a str; None if they can."""

    def frames_of(self, window: Tensor, span: Tensor) -> Tensor:
        """Some of the frames of a part of a waveform.

        Args:
            window: float tensor `[batch, samples]`, the part.
            span: int tensor `[first, end]`, the frames of the window to return, as `Windows` gives
                them.

        Returns:
            float32 tensor `[batch, frames, features]`.
        """
        features, mask = self(window, ops.ones_like(window, "bool"))
        # The last frames of a waveform may lack samples.
        count = ops.sum(ops.cast(mask[0], "int32"))
        return features[:, span[0] : ops.minimum(span[1], count)]
