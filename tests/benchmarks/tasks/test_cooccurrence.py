"""Count-based embeddings: counts, information and similarity."""

import numpy as np
import pytest

from benchmarks.tasks import cooccurrence


def test_subwords_with_the_same_neighbours_have_similar_embeddings():
    # 4 and 5 occur between 1 and 2, 6 between 3 and 7; 0 is padding.
    texts = np.array([[1, 4, 2, 0], [1, 5, 2, 0], [3, 6, 7, 0]] * 10)
    vectors = cooccurrence.embeddings(texts, 8, 4, window=2)
    assert (vectors.shape, vectors.dtype) == ((8, 4), np.float32)
    assert vectors.std() == pytest.approx(0.1, rel=1e-5)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    assert unit[4] @ unit[5] > 0.99
    assert abs(unit[4] @ unit[6]) < 0.01
    np.testing.assert_allclose(vectors[0], 0, atol=1e-6)  # padding has no neighbours


def test_neighbours_are_weighted_by_their_distance():
    texts = np.array([[1, 2, 3], [2, 1, 0]])
    near = [[0, 0, 0, 0], [0, 0, 2, 0], [0, 2, 0, 1], [0, 0, 1, 0]]
    np.testing.assert_array_equal(cooccurrence.counts(texts, 4, window=1), near)
    wide = [[0, 0, 0, 0], [0, 0, 2, 0.5], [0, 2, 0, 1], [0, 0.5, 1, 0]]
    np.testing.assert_array_equal(cooccurrence.counts(texts, 4, window=2), wide)


def test_more_dimensions_than_subwords_are_an_error():
    with pytest.raises(ValueError, match=r"5 subwords .* dimensions=6"):
        cooccurrence.embeddings(np.ones((2, 3), int), 5, 6, window=1)


def test_a_pair_rarer_than_chance_has_no_information():
    counts = np.array([[90.0, 10.0], [10.0, 90.0]], "float32")
    expected = 100 * 100**0.75 / (2 * 100**0.75)
    information = cooccurrence.positive_information(counts)
    np.testing.assert_allclose(information, np.diag([np.log(90 / expected)] * 2), rtol=1e-6)
