"""Adversarial training of a text classifier: texts are also learned with the worst small change."""

import keras
import tensorflow as tf

from zoo.models.sequence_classifier import Classifier


class AdversarialTraining(keras.Model):
    """Trains a `TextClassifier` on each batch as it is, and moved to where its loss grows fastest.

    All embedded subwords of a text move together, by a distance of `norm` times the root mean
    square of what is embedded, in the direction of the gradient of the loss. What is made smaller
    is the mean of the losses at both places; the loss that is logged is that of the batch as it is
    (T. Miyato, A. M. Dai and I. Goodfellow, "Adversarial Training Methods for Semi-Supervised Text
    Classification", 2017). Weights are those of the classifier, which is to be used afterwards.

    Args:
        classifier: a `TextClassifier`.
        norm: float.
    """

    compile = Classifier.compile

    def __init__(self, classifier, norm):
        super().__init__()
        self.classifier = classifier
        self.norm = norm
        self.network = _behind_the_embedding(classifier)

    def call(self, inputs, training=False):
        return self.classifier(inputs, training=training)

    def train_step(self, data):
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.classifier.trainable_weights
        with tf.GradientTape() as tape:
            embedded = self._embed(inputs)
            said = self.network([embedded, inputs["padding_mask"]], training=True)
            loss = self.compute_loss(inputs, labels, said, sample_weight)
        *gradients, ascent = tape.gradient(loss, [*weights, embedded])
        change = self._change(embedded, ascent, inputs["padding_mask"])
        with tf.GradientTape() as tape:
            moved = self.network(
                [self._embed(inputs) + change, inputs["padding_mask"]], training=True
            )
            loss_of_moved = self.compute_loss(inputs, labels, moved, sample_weight)
        of_moved = tape.gradient(loss_of_moved, weights)
        means = [
            (tf.convert_to_tensor(one) + tf.convert_to_tensor(other)) / 2
            for one, other in zip(gradients, of_moved, strict=True)
        ]
        self.optimizer.apply(means, weights)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(labels)[0])
        return self.compute_metrics(inputs, labels, said, sample_weight)

    def _embed(self, inputs):
        return self.classifier.backbone.token_embedding(inputs["token_ids"])

    def _change(self, embedded, ascent, padding_mask):
        """What is added to the embedded subwords of each text; its norm is the same for all."""
        is_text = tf.cast(padding_mask, embedded.dtype)[..., None]
        count = tf.reduce_sum(is_text) * embedded.shape[-1]
        size = tf.sqrt(tf.reduce_sum(embedded**2 * is_text) / count)
        ascent *= is_text
        length = tf.sqrt(tf.reduce_sum(ascent**2, axis=[1, 2], keepdims=True))
        return self.norm * size * ascent / (length + 1e-12)


def _behind_the_embedding(classifier):
    """The classifier's network from embedded subwords and their mask on; layers are shared."""
    backbone = classifier.backbone
    mask = backbone.input["padding_mask"]
    encoder = keras.Model([backbone.token_embedding.output, mask], backbone.output["sequence"])
    embedded = keras.Input((None, backbone.embedding_dim))
    mask = keras.Input((None,), dtype="bool")
    x = classifier.get_layer("pooling")(encoder([embedded, mask]), mask)
    x = classifier.get_layer("output_dropout")(x)
    return keras.Model([embedded, mask], classifier.get_layer("probabilities")(x))
