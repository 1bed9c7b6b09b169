"""Keras metric: the error rate of characters on the likeliest path."""

from typing import Any

import keras
from keras import ops

from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class CharacterErrorRate(keras.metrics.Metric):
    """Edit distance between transcripts and texts, in percent of the transcripts' characters.

    Texts are those of the likeliest path of connectionist temporal classification.

    `update_state` takes `y_true`, int `[batch, characters]`, labels from 1 padded with 0, and
    `y_pred`, float `[batch, steps, 1 + characters]`, with the blank first and certain at padding.
    """

    def __init__(self, name: str = "cer", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.errors = self.add_weight((), "zeros", name="errors")
        self.characters = self.add_weight((), "zeros", name="characters")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        import tensorflow as tf

        steps = ops.full((ops.shape(y_pred)[0],), ops.shape(y_pred)[1], dtype="int32")
        # In TensorFlow, whose edit distance Keras doesn't offer.
        (found,), _ = tf.nn.ctc_greedy_decoder(
            tf.transpose(tf.convert_to_tensor(y_pred), (1, 0, 2)), steps, blank_index=0
        )
        expected = tf.sparse.from_dense(tf.cast(y_true, "int64"))
        shape = tf.shape(y_true, "int64")[0]
        distances = tf.edit_distance(
            _with_rows(found, shape), _with_rows(expected, shape), normalize=False
        )
        self.errors.assign_add(ops.sum(distances))
        self.characters.assign_add(ops.sum(ops.cast(ops.not_equal(y_true, 0), "float32")))

    def result(self) -> Tensor:
        return 100 * self.errors / ops.maximum(self.characters, 1)


def _with_rows(labels, rows):
    """A sparse tensor of labels with this number of rows."""
    import tensorflow as tf

    columns = tf.maximum(labels.dense_shape[1], 1)
    return tf.SparseTensor(labels.indices, labels.values, tf.stack([rows, columns]))
