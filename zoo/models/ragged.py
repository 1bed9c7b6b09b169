"""Batches of sequences of numbers inside a `tf.data` pipeline."""

from zoo.models.protocol import InputError
from zoo.typing import Tensor


def pad_tensor(x: Tensor, feature_dim: int | None) -> tuple[Tensor, Tensor]:
    """Pads a batch to its longest sequence.

    Args:
        x: float tensor `[batch, time]`, or `[batch, time, feature_dim]`; it may be ragged.
        feature_dim: int, or None for sequences of single numbers.

    Returns:
        `(values, padding_mask)`: float32 as `x`, and bool `[batch, time]`, False at padding.

    Raises:
        InputError: the tensor has the wrong rank or type. An empty sequence, or a value that isn't
            finite, raises `tf.errors.InvalidArgumentError` when the pipeline runs.
    """
    import tensorflow as tf

    shape = [None, None] + ([] if feature_dim is None else [feature_dim])
    if x.shape.rank != len(shape) or not x.dtype.is_floating:
        raise InputError(
            f"A batch must be a tensor of floats of the shape {shape}. Received: shape={x.shape}, "
            f"dtype={x.dtype.name}"
        )
    if isinstance(x, tf.RaggedTensor):
        lengths, x = x.row_lengths(), x.to_tensor()
    else:
        lengths = tf.fill(tf.shape(x)[:1], tf.shape(x, "int64")[1])
    tf.debugging.assert_positive(lengths, "A sequence needs at least one step.")
    values = tf.ensure_shape(tf.cast(x, "float32"), shape)
    values = tf.debugging.assert_all_finite(values, "Values must be finite, not NaN or infinity.")
    return values, tf.sequence_mask(lengths)
