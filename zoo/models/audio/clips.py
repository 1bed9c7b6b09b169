"""Clips of audio: checked, and padded to a batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.models.protocol import InputError


def check_clip(clip: Any, feature_dim: int | None = None) -> np.ndarray:
    """A clip as float32.

    Args:
        clip: array `[samples]`, or `[frames, feature_dim]`.
        feature_dim: int, features per frame; None for waveforms.

    Returns:
        float32 array of that shape.

    Raises:
        InputError: the clip is empty, has the wrong shape or has values that aren't finite.
    """
    clip = check_piece(clip, feature_dim)
    if not len(clip):
        raise InputError(
            f"A clip must have at least one sample or frame. Received: shape={clip.shape}"
        )
    return clip


def check_piece(clip: Any, feature_dim: int | None = None) -> np.ndarray:
    """A piece of a clip as float32; as `check_clip`, but it may be empty, or None."""
    frame = () if feature_dim is None else (feature_dim,)
    if clip is None:
        return np.zeros((0, *frame), "float32")
    clip = np.asarray(clip)
    if not np.issubdtype(clip.dtype, np.number):
        raise InputError(f"A clip must be an array of floats. Received: dtype={clip.dtype}")
    if feature_dim is None and np.issubdtype(clip.dtype, np.integer) and clip.any():
        raise InputError(
            "Samples must be floats from -1 to 1; divide 16-bit integers by 32768. Received: "
            f"dtype={clip.dtype}"
        )
    clip = clip.astype("float32")
    expected = "[samples]" if feature_dim is None else f"[frames, {feature_dim}]"
    if clip.shape[1:] != frame or clip.ndim != 1 + len(frame):
        raise InputError(f"A clip must have the shape {expected}. Received: shape={clip.shape}")
    if not np.isfinite(clip).all():
        raise InputError("A clip's values must be finite. Received NaN or infinity.")
    return clip


def padded(
    clips: Sequence[np.ndarray], feature_dim: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pads clips to the longest one.

    Args:
        clips: list of float32 arrays, as `check_clip` returns them.
        feature_dim: as in `check_clip`.

    Returns:
        `(batch, padding_mask)`: float32 `[batch, time]` or `[batch, time, feature_dim]`, and bool
        `[batch, time]`, False at padding.
    """
    lengths = np.array([len(clip) for clip in clips])
    padding_mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
    frame = () if feature_dim is None else (feature_dim,)
    batch = np.zeros(padding_mask.shape + frame, "float32")
    if clips:
        batch[padding_mask] = np.concatenate(clips)
    return batch, padding_mask
