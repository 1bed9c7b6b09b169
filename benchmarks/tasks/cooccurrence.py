"""Count-based embeddings: a factorisation of the co-occurrence of subwords."""

import numpy as np


def embeddings(token_ids, vocabulary_size, dimensions, window):
    """Embeddings from the co-occurrence of subwords.

    The positive pointwise mutual information of subwords within a window is factored by a
    truncated singular value decomposition, `U sqrt(S)`. A neighbour at distance d counts `1 / d`,
    and contexts are smoothed by the power 0.75 (O. Levy, Y. Goldberg and I. Dagan, "Improving
    Distributional Similarity with Lessons Learned from Word Embeddings", TACL 2015).

    Args:
        token_ids: int array `[texts, time]`, 0 at padding.
        vocabulary_size: int. Memory must hold about five float32 matrices
            `[vocabulary_size, vocabulary_size]`.
        dimensions: int, width of the embeddings.
        window: int, maximum distance of a neighbour.

    Returns:
        float32 array `[vocabulary_size, dimensions]` with standard deviation 0.1.

    Raises:
        ValueError: if there are more dimensions than subwords.
    """
    from sklearn.utils.extmath import randomized_svd

    if dimensions > vocabulary_size:
        raise ValueError(
            f"{vocabulary_size} subwords allow at most {vocabulary_size} dimensions. Received: "
            f"dimensions={dimensions}"
        )
    information = positive_information(counts(token_ids, vocabulary_size, window))
    left, scale, _ = randomized_svd(information, dimensions, n_iter=4, random_state=0)
    vectors = left * np.sqrt(scale)
    return (0.1 * vectors / max(vectors.std(), 1e-12)).astype("float32")


def counts(token_ids, vocabulary_size, window):
    """Counts neighbouring subwords, weighted by `1 / d` at distance d.

    Args:
        token_ids, vocabulary_size, window: see `embeddings`.

    Returns:
        Symmetric float32 array `[vocabulary_size, vocabulary_size]`.
    """
    total = np.zeros((vocabulary_size, vocabulary_size), "float32")
    for distance in range(1, window + 1):
        left, right = token_ids[:, :-distance].ravel(), token_ids[:, distance:].ravel()
        real = (left > 0) & (right > 0)
        pairs = left[real].astype("int64") * vocabulary_size + right[real]
        found = np.bincount(pairs, minlength=total.size).astype("float32")
        total += found.reshape(total.shape) / distance
    return total + total.T


def positive_information(counts):
    """Positive pointwise mutual information with smoothed contexts.

    Args:
        counts: float array `[vocabulary_size, vocabulary_size]`, symmetric.

    Returns:
        Array of the same shape and dtype; negative values are replaced by 0.
    """
    occurrences = counts.sum(axis=1)
    contexts = occurrences**0.75
    expected = np.outer(occurrences, contexts / contexts.sum())
    information = np.zeros_like(counts)
    positive = counts > expected
    information[positive] = np.log(counts[positive] / expected[positive])
    return information
