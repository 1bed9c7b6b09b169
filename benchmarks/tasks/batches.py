"""Batches of examples of like length, in an order that a seed and an epoch decide."""

import numpy as np

MORE_AT_ONCE = 4  # unshuffled batches are this much larger: nothing is learned from them


class Batches:
    """Batches of examples of like length, so that little of a batch is padding.

    Attributes:
        examples: the `Examples`.
        dataset: a `tf.data.Dataset` of known cardinality.
        epoch: int, the epoch whose order the next pass over `dataset` takes.

    Args:
        examples: the `Examples`.
        columns: function from an array of indices and a `numpy.random.Generator`, or None where
            nothing is to be varied, to one padded batch.
        lengths: int array, one an example.
        batch_size: int.
    """

    def __init__(self, examples, columns, lengths, batch_size):
        self.examples = examples
        self.epoch = 0
        self._columns = columns
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = None

    def shuffle(self, seed):
        """Shuffles anew each epoch: the order depends on the seed and the epoch alone."""
        self._seed = seed

    def __len__(self):
        return -(-len(self.examples) // self._size)

    @property
    def dataset(self):
        import tensorflow as tf

        # Batch and time vary; the last axis of frames doesn't.
        signature = tf.nest.map_structure(
            lambda array: tf.TensorSpec((None, None)[: array.ndim] + array.shape[2:], array.dtype),
            self._columns(np.arange(1), None),
        )
        dataset = tf.data.Dataset.from_generator(self._pass, output_signature=signature)
        cardinality = tf.data.experimental.assert_cardinality(len(self))
        return dataset.apply(cardinality).prefetch(2)

    @property
    def _size(self):
        return self._batch_size * (MORE_AT_ONCE if self._seed is None else 1)

    def _pass(self):
        count, size = len(self.examples), self._size
        starts = np.arange(0, count, size)
        if self._seed is None:
            generator = None
            order = np.argsort(self._lengths, kind="stable")
        else:
            generator = np.random.default_rng([self._seed, self.epoch])
            # Lengths are blurred so that an example meets other neighbours each epoch.
            blurred = self._lengths * generator.uniform(0.85, 1.15, count)
            blurred += generator.uniform(0, 1, count)
            order = np.argsort(blurred, kind="stable")
            starts = generator.permutation(starts)
        for start in starts:
            yield self._columns(order[start : start + size], generator)
