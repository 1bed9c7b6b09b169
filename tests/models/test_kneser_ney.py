"""Kneser-Ney language model: textbook probabilities, normalisation and errors."""

import collections

import numpy as np
import pytest

from zoo.models import kneser_ney
from zoo.models.kneser_ney import KneserNey


@pytest.fixture(scope="module")
def sequences():
    """Sequences of Zipfian tokens below 25, of 0 to 59 tokens."""
    rng = np.random.default_rng(0)
    return [np.minimum(rng.zipf(1.6, length) - 1, 24) for length in rng.integers(0, 60, 30)]


def textbook(sequences, order, vocabulary_size):
    """p(token, history), written from the equations with a dictionary of n-grams."""
    plain = collections.Counter()
    for sequence in sequences:
        tokens = ("start", *map(int, sequence))
        for end in range(1, len(tokens)):
            for first in range(max(end - order + 1, 0), end + 1):
                plain[tokens[first : end + 1]] += 1
    predecessors = collections.Counter(gram[1:] for gram in plain if len(gram) > 1)
    counts = [{} for _ in range(order + 1)]
    for gram, count in plain.items():
        keeps = len(gram) == order or gram[0] == "start"
        counts[len(gram)][gram] = count if keeps else predecessors[gram]
    losses = [None, *(textbook_discounts(list(table.values())) for table in counts[1:])]

    def probability(token, history):
        if history is None:
            return 1 / vocabulary_size
        lower = probability(token, history[1:] if history else None)
        table, loss = counts[len(history) + 1], losses[len(history) + 1]
        followers = {gram: c for gram, c in table.items() if gram[:-1] == history}
        if not followers:
            return lower
        total = sum(followers.values())
        count = followers.get((*history, token), 0)
        kept = count - loss[min(count, 3)] if count else 0
        return kept / total + sum(loss[min(c, 3)] for c in followers.values()) / total * lower

    return probability


def textbook_discounts(counts):
    n1, n2, n3, n4 = (counts.count(k) for k in (1, 2, 3, 4))
    if n1 * n2 * n3 * n4:
        y = n1 / (n1 + 2 * n2)
        found = {1: 1 - 2 * y * n2 / n1, 2: 2 - 3 * y * n3 / n2, 3: 3 - 4 * y * n4 / n3}
        if min(found.values()) > 0:
            return found
    return {1: 0.5, 2: 1.0, 3: 1.5}


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_probabilities_equal_the_textbook_equations(sequences, order):
    model = KneserNey.fit(sequences, order, 27)
    probability = textbook(sequences, order, 27)
    for sequence in [sequences[0], np.random.default_rng(1).integers(0, 27, 40)]:
        tokens = ("start", *map(int, sequence))
        expected = [
            np.log(probability(tokens[end], tokens[max(end - order + 1, 0) : end]))
            for end in range(1, len(tokens))
        ]
        np.testing.assert_allclose(model.log_probabilities(sequence), expected, rtol=1e-12)


def test_a_bigram_model_worked_by_hand():
    # Bigrams: start 0 three times, 0 1 twice, 0 2 once. Each of 0, 1 and 2 has one predecessor.
    model = KneserNey.fit([[0, 1], [0, 1], [0, 2]], 2, 4)
    seen, unseen = 0.5 / 3 + 0.5 / 4, 0.5 / 4
    expected = {
        (0,): 1.5 / 3 + 1.5 / 3 * seen,
        (0, 0): 1.5 / 3 * seen,
        (0, 1): 1 / 3 + 1.5 / 3 * seen,
        (0, 2): 0.5 / 3 + 1.5 / 3 * seen,
        (0, 3): 1.5 / 3 * unseen,
        (1, 0): seen,
        (3, 3): unseen,
    }
    for tokens, probability in expected.items():
        found = np.exp(model.log_probabilities(np.array(tokens))[-1])
        assert found == pytest.approx(probability, rel=1e-12), tokens
    assert model.parameters == 4 + 3  # 0, 1, 2 and the start symbol; three bigrams


@pytest.mark.parametrize("order", [1, 2, 4])
def test_probabilities_over_the_vocabulary_sum_to_one(sequences, order):
    model = KneserNey.fit(sequences, order, 27)
    longest = max(sequences, key=len)
    histories = [[], longest[:1], longest[:2], longest, longest[10:13], [26], [0, 26], [26, 0, 0]]
    for history in histories:
        scores = [
            model.log_probabilities(np.append(history, token).astype(int), start=len(history))
            for token in range(27)
        ]
        assert np.exp(scores).sum() == pytest.approx(1, abs=1e-12), history


def test_a_token_never_seen_has_a_probability_above_zero(sequences):
    for order in (1, 3):
        scores = KneserNey.fit(sequences, order, 27).log_probabilities([26, 25, 26])
        assert np.isfinite(scores).all()
        assert scores[2] < np.log(1 / 27)


def test_ngrams_do_not_cross_sequences():
    apart = KneserNey.fit([[0, 1], [2, 3]], 2, 4)
    joined = KneserNey.fit([[0, 1, 2, 3]], 2, 4)
    unigram = 0.5 / 4 + 0.5 / 4
    assert np.exp(apart.log_probabilities([1, 2], start=1)) == pytest.approx(unigram)
    assert np.exp(joined.log_probabilities([1, 2], start=1)) == pytest.approx(0.5 + 0.5 * unigram)


def test_tokens_before_start_are_history(sequences):
    model = KneserNey.fit(sequences, 3, 27)
    scores = model.log_probabilities(sequences[0])
    assert scores.dtype == np.float64
    for start in (0, 1, 5, len(sequences[0])):
        np.testing.assert_array_equal(
            model.log_probabilities(sequences[0], start=start), scores[start:]
        )


@pytest.mark.parametrize("order", [1, 3])
def test_a_model_of_no_tokens_is_uniform(order):
    for nothing in ([], [np.array([], int)]):
        model = KneserNey.fit(nothing, order, 5)
        np.testing.assert_allclose(model.log_probabilities([0, 4, 2]), np.log(1 / 5))
        assert model.log_probabilities(np.array([], int)).shape == (0,)


def test_discounts_follow_the_counts_of_counts():
    # n_1 = 4, n_2 = 2, n_3 = 1, n_4 = 1, so Y = 4 / 8.
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9, 9])
    np.testing.assert_allclose(kneser_ney.discounts(counts), [0.5, 1.25, 1.0])


@pytest.mark.parametrize("counts", [[], [1, 1, 2], [1, 2, 3, 3, 3, 4]])
def test_discounts_of_tiny_data_are_half_the_count(counts):
    np.testing.assert_array_equal(kneser_ney.discounts(np.array(counts, int)), [0.5, 1, 1.5])


@pytest.mark.parametrize("order", [0, -2])
def test_an_order_below_one_is_an_error(order):
    with pytest.raises(ValueError, match=f"at least 1.*order={order}"):
        KneserNey.fit([[0]], order, 2)


@pytest.mark.parametrize("token", [-1, 4])
def test_a_token_outside_the_vocabulary_is_an_error(token):
    with pytest.raises(ValueError, match=f"from 0 to 3.*token {token}"):
        KneserNey.fit([[0, 1], [token]], 2, 4)
    model = KneserNey.fit([[0, 1]], 2, 4)
    with pytest.raises(ValueError, match=f"from 0 to 3.*token {token}"):
        model.log_probabilities([0, token])


@pytest.mark.parametrize("start", [-1, 3])
def test_a_start_outside_the_sequence_is_an_error(start):
    model = KneserNey.fit([[0, 1]], 2, 4)
    with pytest.raises(ValueError, match=f"2 tokens .*start={start}"):
        model.log_probabilities([0, 1], start=start)
