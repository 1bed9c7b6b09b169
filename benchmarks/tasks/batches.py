"""Batches of examples of similar length, in an order that depends on the seed and the epoch."""

import numpy as np

from benchmarks.pipeline import prefetched

UNSHUFFLED_FACTOR = 4  # evaluation needs no gradients, so its batches may be larger


class Batches:
    """Batches of examples of similar length, to reduce padding.

    Batches are unshuffled and larger, for evaluation, until `shuffle` is called.

    Args:
        examples: the `Examples`.
        columns: function from an int array of indices and a `numpy.random.Generator` for
            augmentation, None when unshuffled, to one padded batch: `(inputs, targets)` or
            `(inputs, targets, sample_weight)`, of arrays `[batch, ...]`.
        lengths: int array `[examples]`.
        batch_size: int, the size of shuffled batches.

    Attributes:
        examples: the `Examples`.
        epoch: int, the epoch that determines the order of the next pass over `dataset`.
    """

    def __init__(self, examples, columns, lengths, batch_size):
        self.examples = examples
        self.epoch = 0
        self._columns = columns
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = None

    def shuffle(self, seed):
        """Shuffles the batches, in an order that depends only on the seed and the epoch."""
        self._seed = seed

    def __len__(self):
        return -(-len(self.examples) // self._size)

    @property
    def dataset(self):
        """The batches as a `tf.data.Dataset` of known cardinality."""
        import tensorflow as tf

        # Batch and time vary; the last axis of frames doesn't.
        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec((None, None)[: array.ndim] + array.shape[2:], array.dtype),
            self._columns(np.arange(1), None),
        )
        return prefetched(self._pass, signature, len(self))

    @property
    def _size(self):
        return self._batch_size * (UNSHUFFLED_FACTOR if self._seed is None else 1)

    def _pass(self):
        count, size = len(self.examples), self._size
        starts = np.arange(0, count, size)
        if self._seed is None:
            generator = None
            order = np.argsort(self._lengths, kind="stable")
        else:
            generator = np.random.default_rng([self._seed, self.epoch])
            # Noise on the lengths varies which examples share a batch.
            noisy = self._lengths * generator.uniform(0.85, 1.15, count)
            noisy += generator.uniform(0, 1, count)
            order = np.argsort(noisy, kind="stable")
            starts = generator.permutation(starts)
        for start in starts:
            yield self._columns(order[start : start + size], generator)
