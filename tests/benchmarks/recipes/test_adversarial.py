"""Adversarial training: the perturbation and the training step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.recipes.adversarial import AdversarialTraining
from zoo import models

TEXTS = ["a fine film", "a dull film, really", "what a fine day", "what a very dull day"]
LABELS = np.array([1, 0, 1, 0])


@pytest.fixture
def classifier():
    keras.utils.set_random_seed(0)
    tokenizer = models.SubwordTokenizer.train(TEXTS * 5, 60)
    backbone = models.TextBackbone(tokenizer.vocabulary_size(), "bilstm", 8, 6)
    preprocessor = models.TextClassifierPreprocessor(tokenizer)
    return models.TextClassifier(backbone, ["bad", "good"], preprocessor)


def test_perturbations_have_the_same_norm_and_raise_the_loss(classifier):
    trainer = AdversarialTraining(classifier, 2.0)
    inputs = classifier.preprocessor(TEXTS)
    mask = tf.constant(inputs["padding_mask"])
    losses = keras.losses.SparseCategoricalCrossentropy(reduction=None)
    with tf.GradientTape() as tape:
        embedded = trainer._embed(inputs)
        outputs = trainer.network([embedded, mask])
        before = losses(LABELS, outputs)
    np.testing.assert_allclose(outputs, classifier.predict(TEXTS), rtol=1e-5)
    perturbation = trainer._perturbation(embedded, tape.gradient(before, embedded), mask).numpy()
    assert (perturbation[~mask.numpy()] == 0).all()
    distances = np.sqrt((perturbation**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(
        distances, 2.0 * np.sqrt((embedded.numpy()[mask.numpy()] ** 2).mean()), 1e-4
    )
    perturbed = trainer.network([embedded + perturbation, mask])
    assert (losses(LABELS, perturbed).numpy() > before.numpy()).all()
    back = trainer.network([embedded - perturbation, mask])
    assert (losses(LABELS, back).numpy() < before.numpy()).all()


@pytest.mark.parametrize("soft", [False, True])
def test_every_weight_of_the_classifier_is_trained(classifier, soft):
    trainer = AdversarialTraining(classifier, 1.0)
    loss = "categorical_crossentropy" if soft else "auto"
    trainer.compile(keras.optimizers.Adam(0.02), loss=loss, jit_compile=False)
    inputs = classifier.preprocessor(TEXTS)
    labels = np.eye(2, dtype="float32")[LABELS] if soft else LABELS
    before = classifier.get_weights()
    history = trainer.fit(
        inputs, labels, validation_data=(inputs, labels), epochs=30, verbose=0
    ).history
    for old, new in zip(before, classifier.get_weights(), strict=True):
        assert np.abs(new - old).max() > 1e-3
    assert history["val_accuracy"][-1] == history["accuracy"][-1] == 1
    assert history["loss"][-1] < history["loss"][0]
    assert (classifier.predict(TEXTS).argmax(axis=1) == LABELS).all()


def test_a_training_step_follows_the_mean_of_both_gradients(classifier):
    trainer = AdversarialTraining(classifier, 3.0)
    trainer.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    inputs = {name: tf.constant(values) for name, values in classifier.preprocessor(TEXTS).items()}
    loss = keras.losses.SparseCategoricalCrossentropy()
    weights = classifier.trainable_weights
    perturbation, gradients = 0.0, []
    for _ in range(2):
        with tf.GradientTape() as tape:
            embedded = trainer._embed(inputs)
            value = loss(LABELS, trainer.network([embedded + perturbation, inputs["padding_mask"]]))
        *of_weights, ascent = tape.gradient(value, [*weights, embedded])
        gradients.append([tf.convert_to_tensor(gradient).numpy() for gradient in of_weights])
        perturbation = trainer._perturbation(embedded, ascent, inputs["padding_mask"])
    before = [weight.numpy() for weight in weights]
    trainer.train_on_batch(inputs, LABELS)
    for weight, old, one, other in zip(weights, before, *gradients, strict=True):
        np.testing.assert_allclose(weight.numpy() - old, -0.1 * (one + other) / 2, atol=1e-6)
    assert max(np.abs(one - other).max() for one, other in zip(*gradients, strict=True)) > 1e-3


def test_with_a_norm_of_zero_training_is_plain(classifier):
    trainer = AdversarialTraining(classifier, 0.0)
    trainer.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    inputs = classifier.preprocessor(TEXTS)
    twin = models.TextClassifier.from_config(classifier.get_config())
    twin.preprocessor = None
    twin.set_weights(classifier.get_weights())
    twin.compile(keras.optimizers.SGD(0.1), jit_compile=False)
    trainer.fit(inputs, LABELS, epochs=3, verbose=0)
    twin.fit(inputs, LABELS, epochs=3, verbose=0)
    for one, other in zip(classifier.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
