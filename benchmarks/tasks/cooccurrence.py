"""Embeddings that are counted: what subwords stand near to each other, factored."""

import numpy as np


def embeddings(token_ids, vocabulary_size, dimensions, window):
    """Embeddings from co-occurrence.

    The positive pointwise mutual information of subwords within a window is factored by a
    truncated singular value decomposition, `U sqrt(S)`. A neighbour at distance d counts `1 / d`,
    and contexts are smoothed by the power 0.75 (O. Levy, Y. Goldberg and I. Dagan, "Improving
    Distributional Similarity with Lessons Learned from Word Embeddings", TACL 2015).

    Args:
        token_ids: int array `[texts, time]`, 0 at padding.
        vocabulary_size: int. A square of float32 of this size has to fit into memory five times.
        dimensions: int, width of the embeddings.
        window: int, the greatest distance of a neighbour.

    Returns:
        float32 array `[vocabulary_size, dimensions]` of standard deviation 0.1.

    Raises:
        ValueError: If there are more dimensions than subwords.
    """
    from sklearn.utils.extmath import randomized_svd

    if dimensions > vocabulary_size:
        raise ValueError(
            f"{vocabulary_size} subwords can't have embeddings of more dimensions. Received: "
            f"dimensions={dimensions}"
        )
    information = positive_information(counts(token_ids, vocabulary_size, window))
    left, scale, _ = randomized_svd(information, dimensions, n_iter=4, random_state=0)
    vectors = left * np.sqrt(scale)
    return (0.1 * vectors / max(vectors.std(), 1e-12)).astype("float32")


def counts(token_ids, vocabulary_size, window):
    """How often subwords are neighbours, float32 `[vocabulary_size, vocabulary_size]`; at distance
    d each time counts `1 / d`."""
    total = np.zeros((vocabulary_size, vocabulary_size), "float32")
    for distance in range(1, window + 1):
        left, right = token_ids[:, :-distance].ravel(), token_ids[:, distance:].ravel()
        real = (left > 0) & (right > 0)
        pairs = left[real].astype("int64") * vocabulary_size + right[real]
        found = np.bincount(pairs, minlength=total.size).astype("float32")
        total += found.reshape(total.shape) / distance
    return total + total.T


def positive_information(counts):
    """Pointwise mutual information of pairs, with smoothed contexts; 0 where it isn't positive."""
    occurrences = counts.sum(axis=1)
    contexts = occurrences**0.75
    expected = np.outer(occurrences, contexts / contexts.sum())
    information = np.zeros_like(counts)
    met = counts > expected
    information[met] = np.log(counts[met] / expected[met])
    return information
