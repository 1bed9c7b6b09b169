"""Step `adversarial`: like `fit`, but also trains under an adversarial perturbation."""

from typing import ClassVar

import keras
import pydantic
import tensorflow as tf

from benchmarks.recipes.fit import Fit
from zoo.models.classifier import Classifier


class Adversarial(Fit, frozen=True):
    """Adversarial training of a text classifier; see `AdversarialTraining`.

    Attributes:
        norm: norm of the perturbation of a text's embedding, as a multiple of the root mean square
            of the embedded subwords.
    """

    name: ClassVar[str] = "adversarial"

    norm: pydantic.PositiveFloat

    def trainer(self, model, batches):
        return AdversarialTraining(model, self.norm)


class AdversarialTraining(keras.Model):
    """Trains a `TextClassifier` on each batch with and without an adversarial perturbation.

    The embedding of each text is perturbed along the gradient of the loss, by `norm` times the root
    mean square of the embedded subwords. The mean of the losses with and without the perturbation
    is minimised; the logged loss is the one without (T. Miyato, A. M. Dai and I. Goodfellow,
    "Adversarial Training Methods for Semi-Supervised Text Classification", 2017). The weights are
    shared with the classifier.

    Args:
        classifier: a `TextClassifier`.
        norm: float, see `Adversarial`.

    Call arguments:
        inputs: dict with `"token_ids"`, int32 `[batch, time]`, and `"padding_mask"`, bool
            `[batch, time]`.

    Returns:
        A float32 tensor `[batch, classes]`, the classifier's probabilities.
    """

    compile = Classifier.compile

    def __init__(self, classifier, norm):
        super().__init__()
        self.classifier = classifier
        self.norm = norm
        self.network = _network_after_embedding(classifier)

    def call(self, inputs, training=False):
        return self.classifier(inputs, training=training)

    def train_step(self, data):
        inputs, labels, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.classifier.trainable_weights
        with tf.GradientTape() as tape:
            embedded = self._embed(inputs)
            outputs = self.network([embedded, inputs["padding_mask"]], training=True)
            loss = self.compute_loss(inputs, labels, outputs, sample_weight)
        *gradients, ascent = tape.gradient(loss, [*weights, embedded])
        perturbation = self._perturbation(embedded, ascent, inputs["padding_mask"])
        with tf.GradientTape() as tape:
            perturbed = self.network(
                [self._embed(inputs) + perturbation, inputs["padding_mask"]], training=True
            )
            adversarial_loss = self.compute_loss(inputs, labels, perturbed, sample_weight)
        adversarial_gradients = tape.gradient(adversarial_loss, weights)
        means = [
            (tf.convert_to_tensor(one) + tf.convert_to_tensor(other)) / 2
            for one, other in zip(gradients, adversarial_gradients, strict=True)
        ]
        self.optimizer.apply(means, weights)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(labels)[0])
        return self.compute_metrics(inputs, labels, outputs, sample_weight)

    def _embed(self, inputs):
        return self.classifier.backbone.token_embedding(inputs["token_ids"])

    def _perturbation(self, embedded, ascent, padding_mask):
        """The perturbation `[batch, time, embedding_dim]`, with the same norm for every text."""
        is_text = tf.cast(padding_mask, "float32")[..., None]
        count = tf.reduce_sum(is_text) * embedded.shape[-1]
        size = tf.sqrt(tf.reduce_sum(tf.cast(embedded, "float32") ** 2 * is_text) / count)
        ascent = tf.cast(ascent, "float32") * is_text
        length = tf.sqrt(tf.reduce_sum(ascent**2, axis=[1, 2], keepdims=True))
        return tf.cast(self.norm * size * ascent / (length + 1e-12), embedded.dtype)


def _network_after_embedding(classifier):
    """The classifier as a function of embedded subwords and their mask, with shared layers."""
    backbone = classifier.backbone
    mask = backbone.input["padding_mask"]
    encoder = keras.Model([backbone.token_embedding.output, mask], backbone.output["sequence"])
    embedded = keras.Input((None, backbone.embedding_dim))
    mask = keras.Input((None,), dtype="bool")
    x = classifier.get_layer("pooling")(encoder([embedded, mask]), mask)
    x = classifier.get_layer("output_dropout")(x)
    return keras.Model([embedded, mask], classifier.get_layer("probabilities")(x))
