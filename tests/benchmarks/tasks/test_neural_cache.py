"""The neural cache: what it remembers, and its mixture with a model."""

import numpy as np
import pytest

from benchmarks.tasks import neural_cache
from benchmarks.tasks.neural_cache import NeuralCache


def by_hand(states, targets, sharpness, window):
    found = np.zeros(len(targets))
    for now in range(1, len(targets)):
        past = range(max(0, now - window), now)
        weights = [np.exp(sharpness * states[now] @ states[then]) for then in past]
        hits = [w for w, then in zip(weights, past, strict=True) if targets[then] == targets[now]]
        found[now] = sum(hits) / sum(weights)
    return found


@pytest.mark.parametrize("window", [3, 100])
def test_the_mixture_is_that_of_the_paper(monkeypatch, window):
    monkeypatch.setattr(neural_cache, "WINDOW", window)
    monkeypatch.setattr(neural_cache, "QUERIES", 4)
    generator = np.random.default_rng(0)
    states = generator.normal(size=(23, 5))
    targets = generator.integers(0, 4, 23)
    scores = np.log(generator.uniform(0.01, 1, 23))
    found = NeuralCache(0.7, 0.2).log_probabilities(scores, states, targets)
    expected = 0.8 * np.exp(scores) + 0.2 * by_hand(states, targets, 0.7, window)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-6)


def test_a_cache_of_no_weight_changes_nothing():
    scores = np.log(np.full(5, 0.3))
    found = NeuralCache(0.3, 0.0).log_probabilities(scores, np.ones((5, 2)), np.arange(5))
    np.testing.assert_allclose(found, scores)


def test_the_chosen_cache_is_the_best_of_the_grid():
    generator = np.random.default_rng(0)
    states = generator.normal(size=(300, 4)) * 3
    targets = np.argmax(states, axis=1)  # the state tells the token
    scores = np.log(np.full(300, 0.25))
    chosen = NeuralCache.chosen(scores, states, targets)
    loss = lambda cache: -cache.log_probabilities(scores, states, targets).mean()
    assert chosen.weight == max(neural_cache.WEIGHTS)
    assert loss(chosen) < loss(NeuralCache(0.05, 0.05)) < -scores.mean()
