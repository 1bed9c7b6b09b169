"""Truncated backpropagation: rows that continue one another, and carried states."""

import keras
import numpy as np
import pytest

from benchmarks.recipes.truncated_bptt import CarriedStates, StreamBatches
from zoo import models
from zoo.models.sampled_softmax import sampled_softmax

DOCUMENTS = [np.arange(1, 30, dtype="int32"), np.arange(30, 62, dtype="int32")]


def batches(batch_size=2, steps=5, candidates=0):
    return StreamBatches(DOCUMENTS, batch_size, steps, candidates)


def rows(stream):
    """The inputs, targets and weights of a pass, each `[rows, tokens]`."""
    parts = [(x["token_ids"], y, w) for x, y, w in stream.dataset.as_numpy_iterator()]
    assert len(parts) == len(stream)
    return [np.concatenate(columns, axis=1) for columns in zip(*parts, strict=True)]


def language_model(vocabulary_size=70, seed=0):
    keras.utils.set_random_seed(seed)
    backbone = models.LanguageBackbone(vocabulary_size, "lstm", 8, 8)
    return models.LanguageModel(backbone)


def test_unshuffled_rows_predict_every_token_but_the_first_once():
    inputs, targets, weights = rows(batches())
    text = np.concatenate(DOCUMENTS)
    np.testing.assert_array_equal(targets[weights], text[1:])
    np.testing.assert_array_equal(inputs[weights], text[:-1])


def test_shuffled_rows_are_consecutive_text():
    stream = batches()
    stream.shuffle(0)
    inputs, targets, weights = rows(stream)
    assert weights.all()
    np.testing.assert_array_equal(inputs[:, 1:], targets[:, :-1])
    np.testing.assert_array_equal(inputs[1:, 0], targets[:-1, -1])
    # Within a document a token is followed by the next number.
    jumps = np.sum(targets - inputs != 1)
    assert jumps <= len(DOCUMENTS)


def test_an_epoch_repeats_and_another_differs():
    stream = batches()
    stream.shuffle(0)
    first = rows(stream)[0]
    np.testing.assert_array_equal(rows(stream)[0], first)
    stream.epoch = 1
    assert not np.array_equal(rows(stream)[0], first)


def test_only_the_first_batch_starts_anew():
    starts = [x["is_start"].all() for x, *_ in batches().dataset.as_numpy_iterator()]
    assert starts == [True] + [False] * (len(batches()) - 1)


def test_the_loss_with_carried_states_is_that_of_the_whole_text():
    model = language_model()
    stream = batches(batch_size=1, steps=7)
    trainer = CarriedStates(model, 1)
    trainer.compile()
    found = trainer.evaluate(stream.dataset, verbose=0, return_dict=True)
    (scores,) = model.score_token_ids([np.concatenate(DOCUMENTS)])
    assert found["perplexity"] == pytest.approx(np.exp(-scores.mean()), rel=1e-5)
    assert found["loss"] == pytest.approx(-scores.mean(), rel=0.05)  # a mean over batches


def test_a_pass_starts_without_the_states_of_the_last_one():
    trainer = CarriedStates(language_model(), 2)
    trainer.compile()
    evaluate = lambda: trainer.evaluate(batches().dataset, verbose=0, return_dict=True)
    assert evaluate() == evaluate()


def test_training_lowers_the_perplexity():
    trainer = CarriedStates(language_model(), 2)
    trainer.compile(keras.optimizers.Adam(0.03))
    evaluate = lambda: trainer.evaluate(batches().dataset, verbose=0, return_dict=True)
    before = evaluate()["perplexity"]
    stream = batches()
    stream.shuffle(0)
    for stream.epoch in range(8):
        trainer.fit(stream.dataset, verbose=0)
    assert evaluate()["perplexity"] < before / 2


def test_a_sampled_softmax_trains_the_full_one():
    model = language_model()
    stream = batches(candidates=16)
    expected = stream.candidate_probabilities(model)
    assert expected.sum() == pytest.approx(16)
    trainer = CarriedStates(model, 2, expected)
    trainer.compile(keras.optimizers.Adam(0.03))
    evaluate = lambda: trainer.evaluate(batches().dataset, verbose=0, return_dict=True)
    before = evaluate()["perplexity"]
    stream.shuffle(0)
    for stream.epoch in range(8):
        losses = trainer.fit(stream.dataset, verbose=0).history["loss"]
        assert losses[0] > 0
    assert evaluate()["perplexity"] < before / 2


def test_sampled_softmax_estimates_the_full_softmax():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(20, 4)).astype("float32")
    bias = generator.normal(size=20).astype("float32")
    outputs = generator.normal(size=(6, 4)).astype("float32")
    targets = np.array([0, 3, 3, 9, 19, 5], "int32")
    chance = np.linspace(1, 3, 20) / np.linspace(1, 3, 20).sum()
    candidates = generator.choice(20, 100_000, p=chance).astype("int32")
    log_expected = np.log(100_000 * chance).astype("float32")
    found = sampled_softmax(outputs, targets, vectors, bias, candidates, log_expected)
    logits = outputs @ vectors.T + bias
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(6), targets]
    np.testing.assert_allclose(found, expected, atol=0.05)
