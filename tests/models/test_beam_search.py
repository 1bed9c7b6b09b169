"""Beam search against an exhaustive search over every output."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo.models import BeamSearchSampler

VOCABULARY, END, LENGTH = 5, 3, 4


def markov_model(seed):
    """A `next` whose logits depend on the previous token and on the row's cache."""
    table = np.random.default_rng(seed).normal(size=(2, VOCABULARY, VOCABULARY)).astype("float32")
    table[..., 0] = -30.0  # padding is never predicted

    def next(prompt, cache, index):
        token = ops.take(prompt, index - 1, axis=1)
        flat = ops.reshape(table, (-1, VOCABULARY))
        return ops.take(flat, cache["row"] * VOCABULARY + token, axis=0), None, cache

    return next, table


def exhaustive(table, length_penalty):
    """The best output of up to LENGTH tokens, by enumeration."""
    log_probs = table - np.log(np.exp(table).sum(axis=-1, keepdims=True))
    best = (-np.inf, None)
    for length in range(1, LENGTH + 1):
        for output in itertools.product(range(1, VOCABULARY), repeat=length):
            ended = output[-1] == END
            if END in output[:-1] or (length < LENGTH and not ended):
                continue
            score = sum(log_probs[a, b] for a, b in itertools.pairwise((2, *output)))
            best = max(best, (score / ((5 + length) / 6) ** length_penalty, output))
    return list(best[1]) + [0] * (LENGTH - len(best[1]))


def search(sampler, next):
    prompt = np.array([[2] + [0] * LENGTH] * 2, "int32")
    cache = {"row": np.array([0, 1], "int32")}
    return np.asarray(sampler(next=next, prompt=prompt, cache=cache, index=1, stop_token_ids=[END]))


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_wide_beam_finds_the_best_output(seed, length_penalty):
    next, table = markov_model(seed)
    found = search(BeamSearchSampler(VOCABULARY**3, length_penalty), next)
    for row in range(2):
        assert found[row, 1:].tolist() == exhaustive(table[row], length_penalty)


def test_a_beam_of_one_is_greedy():
    next, table = markov_model(3)
    found = search(BeamSearchSampler(1), next)
    for row in range(2):
        token, expected = 2, []
        while len(expected) < LENGTH and token != END:
            token = int(table[row, token].argmax())
            expected.append(token)
        assert found[row, 1:].tolist() == expected + [0] * (LENGTH - len(expected))


@pytest.mark.parametrize("batch", [2, None])
@pytest.mark.parametrize("width", [1, 3])
def test_search_in_a_graph_equals_eager_search(batch, width):
    next, _ = markov_model(5)
    sampler = BeamSearchSampler(width)
    graph = tf.function(
        lambda prompt, row: sampler(
            next=next, prompt=prompt, cache={"row": row}, index=1, stop_token_ids=[END]
        ),
        input_signature=[tf.TensorSpec([batch, None], tf.int32), tf.TensorSpec([batch], tf.int32)],
    )
    prompt = np.array([[2] + [0] * LENGTH] * 2, "int32")
    found = graph(prompt, np.array([0, 1], "int32"))
    np.testing.assert_array_equal(found, search(sampler, next))


def test_settings_are_serialised_and_checked():
    sampler = BeamSearchSampler(3, length_penalty=0.6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(sampler))
    assert (again.beam_width, again.length_penalty) == (3, 0.6)
    with pytest.raises(ValueError, match="beam_width=0"):
        BeamSearchSampler(0)
