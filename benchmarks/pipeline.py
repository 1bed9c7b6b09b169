"""Batches that are made while the model trains on the previous ones."""


def prefetched(generate, signature, count):
    """A `tf.data.Dataset` of what a generator function yields, made in the background.

    Args:
        generate: function without arguments that returns a generator.
        signature: the structure of `tf.TensorSpec` of its elements.
        count: int, the number of elements.
    """
    import tensorflow as tf

    dataset = tf.data.Dataset.from_generator(generate, output_signature=signature)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)
    # There is nothing to tune, and an iterator would wait for its tuning thread at the end.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
