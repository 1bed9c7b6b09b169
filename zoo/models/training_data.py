"""Examples in memory as batches that are shuffled, since KerasHub keeps their order in `fit`."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

DEFAULT_BATCH_SIZE = 32  # as in Keras


def is_in_memory(x: Any) -> bool:
    """Whether these are lists, arrays or tensors, or tuples and dicts of them."""
    if isinstance(x, (tuple, dict)):
        return all(is_in_memory(one) for one in (x.values() if isinstance(x, dict) else x))
    return isinstance(x, (list, np.ndarray, tf.Tensor, tf.RaggedTensor)) or keras.ops.is_tensor(x)


def batches(
    columns: tuple[Any, ...], batch_size: int | None = None, shuffle: bool = False
) -> tf.data.Dataset:
    """Batches of examples.

    Args:
        columns: tuple of `x`, `y` and `sample_weight`, each a list, an array or a tensor of
            examples, or a tuple or dict of them; the last two may be None.
        batch_size: int, by default 32.
        shuffle: bool, whether the order is another one each time the batches are read. It depends
            on the seed that `keras.utils.set_random_seed` sets.

    Returns:
        A `tf.data.Dataset` of batches of `x`, `(x, y)` or `(x, y, sample_weight)`.

    Raises:
        ValueError: the numbers of examples differ, or there are none.
    """
    lengths = sorted({_count(leaf) for leaf in _leaves(columns)})
    if len(lengths) != 1 or not lengths[0]:
        raise ValueError(
            "`x`, `y` and `sample_weight` must have the same number of examples, at least one. "
            f"Received: {lengths}"
        )
    examples = keras.utils.pack_x_y_sample_weight(*_map(_tensor, columns))
    dataset = tf.data.Dataset.from_tensor_slices(examples)
    if shuffle:
        dataset = dataset.shuffle(lengths[0])
    return dataset.batch(batch_size or DEFAULT_BATCH_SIZE)


def split_off_end(columns: tuple[Any, ...], fraction: float) -> tuple[tuple[Any, ...], ...]:
    """Splits examples as `validation_split` of `keras.Model.fit` does.

    Args:
        columns: see `batches`.
        fraction: float, the fraction of the last examples to split off.

    Returns:
        `(first, last)`, two tuples like `columns`.

    Raises:
        ValueError: one of the two would be empty.
    """
    count = _count(_leaves(columns)[0])
    start = int(count * (1 - fraction))
    if not 0 < start < count:
        raise ValueError(
            f"`validation_split` must leave examples on both sides. Received: {fraction!r} of "
            f"{count} examples."
        )
    return _map(lambda leaf: leaf[:start], columns), _map(lambda leaf: leaf[start:], columns)


def _leaves(columns):
    """The lists, arrays and tensors of a structure of tuples and dicts."""
    if isinstance(columns, (tuple, dict)):
        parts = columns.values() if isinstance(columns, dict) else columns
        return [leaf for part in parts for leaf in _leaves(part)]
    return [] if columns is None else [columns]


def _count(leaf):
    """Number of examples of a list, an array or a tensor; a scalar has none."""
    if isinstance(leaf, list):
        return len(leaf)
    return leaf.shape[0] if len(leaf.shape) else 0


def _map(function, columns):
    if isinstance(columns, dict):
        return {name: _map(function, part) for name, part in columns.items()}
    if isinstance(columns, tuple):
        return tuple(_map(function, part) for part in columns)
    return None if columns is None else function(columns)


def _tensor(leaf):
    """What `tf.data` takes: tensors of other backends become arrays."""
    is_tensorflow = isinstance(leaf, (list, np.ndarray, tf.Tensor, tf.RaggedTensor))
    return leaf if is_tensorflow else keras.ops.convert_to_numpy(leaf)
