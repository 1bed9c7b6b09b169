"""Keras loss: connectionist temporal classification (CTC)."""

from typing import Any

import keras

from zoo.typing import Tensor


@keras.saving.register_keras_serializable(package="zoo")
class CTCLoss(keras.losses.Loss):
    """The negative log-probability of transcripts, summed over all alignments with the steps.

    As in `keras.losses.CTC`, all steps count, so a model must make the blank certain at padding (A.
    Graves et al., ICML 2006). On TensorFlow it runs the operator for sparse labels, which is
    several times faster on a CPU than the one that Keras calls. With that operator, a transcript
    with more labels than there are steps has the loss 0.

    `call` takes `y_true`, int `[batch, characters]`, labels from 1 padded with 0, and `y_pred`,
    float `[batch, steps, 1 + characters]`, log-probabilities with the blank first.
    """

    def __init__(self, name: str = "ctc_loss", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        if keras.backend.backend() != "tensorflow":
            return keras.losses.ctc(y_true, y_pred)
        import tensorflow as tf

        y_true, y_pred = tf.cast(y_true, "int32"), tf.convert_to_tensor(y_pred)
        # The operator rejects an empty transcript, whose only path is all blanks.
        is_empty = tf.equal(tf.math.count_nonzero(y_true, axis=1), 0)
        stand_in = tf.pad(tf.ones_like(y_true[:, :1]), [[0, 0], [0, tf.shape(y_true)[1] - 1]])
        labels = tf.sparse.from_dense(tf.where(is_empty[:, None], stand_in, y_true))
        # It expects the steps first, and the blank last.
        losses = tf.compat.v1.nn.ctc_loss(
            tf.SparseTensor(labels.indices, labels.values - 1, labels.dense_shape),
            tf.transpose(tf.roll(y_pred, -1, axis=2), (1, 0, 2)),
            tf.repeat(tf.shape(y_pred)[1], tf.shape(y_pred)[0]),
            ignore_longer_outputs_than_inputs=True,
        )
        blanks = tf.nn.log_softmax(y_pred)[:, :, 0]
        return tf.where(is_empty, -tf.reduce_sum(blanks, axis=1), losses)
