"""Computations on masked frames of features: means and slopes over time."""

from keras import ops

from zoo.typing import Tensor

SLOPE_REACH = 2  # frames before and after one that its slope depends on


def means(features: Tensor, mask: Tensor) -> Tensor:
    """Mean of each feature over the frames of each clip, `[batch, 1, features]`."""
    weights = ops.cast(mask, features.dtype)[..., None]
    count = ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1)
    return ops.sum(features * weights, axis=1, keepdims=True) / count


def slopes(features: Tensor, mask: Tensor) -> Tensor:
    """Deltas: the slope of a least-squares line through five frames (S. Furui 1986).

    The first and the last frame of a clip are repeated beyond its ends, so padding has no effect.

    Args:
        features: float tensor `[batch, frames, features]`.
        mask: bool tensor `[batch, frames]`, False at padding.

    Returns:
        A tensor like `features`.
    """
    last = ops.maximum(ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True) - 1, 0)
    frames = ops.arange(ops.shape(features)[1], dtype="int32")[None]

    def at(offset):
        places = ops.minimum(ops.maximum(frames + offset, 0), last)
        return ops.take_along_axis(features, places[..., None], axis=1)

    return (2 * (at(2) - at(-2)) + at(1) - at(-1)) / 10
