"""An n-gram language model with modified Kneser-Ney smoothing, the baseline of language tasks."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np


class KneserNey:
    """Interpolated modified Kneser-Ney n-gram language model over integer tokens.

    For a token w and a history h of n - 1 tokens,

        p(w | h) = (c(h w) - D(c(h w))) / c(h .) + gamma(h) p(w | h')
        gamma(h) = sum_w D(c(h w)) / c(h .)

    with h' as h without its first token. At the highest order, c counts n-grams. At lower orders,
    c(g) counts the distinct tokens that precede the n-gram g (R. Kneser and H. Ney, "Improved
    backing-off for m-gram language modeling", ICASSP 1995). D takes one of three values per order,
    see `discounts` (S. Chen and J. Goodman, "An empirical study of smoothing techniques for
    language modeling", Computer Speech and Language 1999). A history without a successor in the
    training data takes p(w | h'). The recursion ends at the uniform distribution over the
    vocabulary, so no token has probability 0.

    One start symbol precedes each sequence. It belongs to histories and is never predicted. It is
    the whole history of the first token, and no history reaches beyond it. Nothing precedes an
    n-gram that starts with it, so such n-grams keep their plain counts at all orders.

    Args:
        orders: list of `Order`, from unigrams to the longest n-grams.
        vocabulary_size: int, number of distinct tokens.

    Examples:
        >>> model = KneserNey.fit([np.array([0, 1, 0, 2])], order=2, vocabulary_size=4)
        >>> model.log_probabilities(np.array([0, 1])).shape
        (2,)
    """

    def __init__(self, orders: list["Order"], vocabulary_size: int) -> None:
        self.orders = orders
        self.vocabulary_size = vocabulary_size

    @classmethod
    def fit(cls, sequences: Iterable[np.ndarray], order: int, vocabulary_size: int) -> Self:
        """Counts the n-grams of sequences and estimates discounts.

        Args:
            sequences: list of int arrays `[tokens]`. An n-gram never spans two of them.
            order: int, length of the longest n-gram.
            vocabulary_size: int. Tokens are from 0 to `vocabulary_size - 1`.

        Returns:
            `KneserNey`.

        Raises:
            ValueError: if `order` is below 1 or a token lies outside the vocabulary.
        """
        if order < 1:
            raise ValueError(f"The order of a model must be at least 1. Received: order={order}")
        sequences = [_after_start(sequence, vocabulary_size) for sequence in sequences]
        tokens = np.concatenate([np.empty(0, "int64"), *sequences])
        starts = tokens == vocabulary_size

        # The empty n-gram is row 0 and ends everywhere.
        keys, counts = [np.zeros(1, "int64")], [np.zeros(1, "int64")]
        rows = histories = np.zeros(len(tokens), "int64")
        for _ in range(order):
            ends = np.flatnonzero(histories >= 0)
            key, first, inverse, count = np.unique(
                _key(histories[ends], tokens[ends], vocabulary_size),
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            # A distinct n-gram is a distinct predecessor of its last n - 1 tokens. Only n-grams
            # that start with the start symbol have none.
            predecessors = np.bincount(rows[ends[first]], minlength=len(keys[-1]))
            counts[-1] = np.where(predecessors > 0, predecessors, counts[-1])
            keys.append(key)
            counts.append(count)
            rows = np.full(len(tokens), -1)
            rows[ends] = inverse
            histories = _histories(rows, starts)
        counts[1][keys[1] == vocabulary_size] = 0  # the start symbol is never predicted

        orders = [
            Order.estimate(keys[n], counts[n], keys[n] // (vocabulary_size + 1), len(keys[n - 1]))
            for n in range(1, order + 1)
        ]
        return cls(orders, vocabulary_size)

    @property
    def parameters(self) -> int:
        """int, number of counts stored: distinct n-grams of all orders, start symbol included."""
        return sum(len(order.keys) for order in self.orders)

    def log_probabilities(self, sequence: Sequence[int] | np.ndarray, start: int = 0) -> np.ndarray:
        """Natural logarithm of the probability of each token given the tokens before it.

        Args:
            sequence: int array `[tokens]`.
            start: int, index of the first token to score. Tokens before it serve as history.

        Returns:
            float64 array `[tokens - start]`.

        Raises:
            ValueError: if a token lies outside the vocabulary or `start` outside the sequence.
        """
        if not 0 <= start <= len(sequence):
            raise ValueError(
                f"A sequence of {len(sequence)} tokens can be scored from index 0 to "
                f"{len(sequence)}. Received: start={start}"
            )
        tokens = _after_start(sequence, self.vocabulary_size)
        starts = tokens == self.vocabulary_size
        probabilities = np.full(len(tokens), 1 / self.vocabulary_size)
        histories = np.zeros(len(tokens), "int64")
        for order in self.orders:
            ends = np.flatnonzero(histories >= 0)
            history = histories[ends]
            found = order.rows(_key(history, tokens[ends], self.vocabulary_size))
            backed_off = order.backoffs[history] * probabilities[ends]
            seen = found >= 0
            backed_off[seen] += order.discounted[found[seen]]
            probabilities[ends] = backed_off
            rows = np.full(len(tokens), -1)
            rows[ends] = found
            histories = _histories(rows, starts)
        return np.log(probabilities[start + 1 :])


@dataclasses.dataclass(frozen=True)
class Order:
    """The n-grams of one length.

    The row of an n-gram is its position in `keys`. Its key combines the row of its history, an
    n-gram one token shorter, and its last token in one integer.

    Args:
        keys: int64 array `[ngrams]`, sorted.
        discounted: float64 array `[ngrams]`, (c(h w) - D(c(h w))) / c(h .).
        backoffs: float64 array `[histories]`, gamma(h), 1 for a history without a successor.
    """

    keys: np.ndarray
    discounted: np.ndarray
    backoffs: np.ndarray

    @classmethod
    def estimate(
        cls, keys: np.ndarray, counts: np.ndarray, histories: np.ndarray, history_count: int
    ) -> Self:
        """Discounts counts and gives the discounted mass to the lower order.

        Args:
            keys: int64 array `[ngrams]`, sorted.
            counts: int array `[ngrams]`.
            histories: int array `[ngrams]`, row of the history of each n-gram.
            history_count: int, number of n-grams one token shorter.

        Returns:
            `Order`.
        """
        lost = np.array([0.0, *discounts(counts)])[np.minimum(counts, 3)]
        totals = np.bincount(histories, weights=counts, minlength=history_count)
        followed = totals > 0
        totals[~followed] = 1
        backoffs = np.bincount(histories, weights=lost, minlength=history_count) / totals
        backoffs[~followed] = 1
        return cls(keys, (counts - lost) / totals[histories], backoffs)

    def rows(self, keys: np.ndarray) -> np.ndarray:
        """Looks n-grams up.

        Args:
            keys: int64 array `[any]`.

        Returns:
            int64 array `[any]`, -1 for an n-gram that isn't in the training data.
        """
        rows = np.searchsorted(self.keys, keys)
        inside = rows < len(self.keys)
        inside[inside] = self.keys[rows[inside]] == keys[inside]
        return np.where(inside, rows, -1)


def discounts(counts: np.ndarray) -> np.ndarray:
    """Discounts of n-grams counted once, twice, and three times or more.

    With n_k as the number of n-grams counted k times and Y = n_1 / (n_1 + 2 n_2), the discounts
    are D_k = k - (k + 1) Y n_{k+1} / n_k (S. Chen and J. Goodman 1999). If n_1, n_2, n_3 or n_4 is
    0 or an estimate is not positive, as on tiny data, D_k = k / 2.

    Args:
        counts: int array `[ngrams]`.

    Returns:
        float64 array `[3]`, with 0 < D_k <= k.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype("float64")
    k = np.arange(1, 4)
    if n.all():
        estimates = k - (k + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
        if estimates.min() > 0:
            return estimates
    return k / 2


def _after_start(sequence, vocabulary_size):
    tokens = np.asarray(sequence, "int64")
    outside = tokens[(tokens < 0) | (tokens >= vocabulary_size)]
    if outside.size:
        raise ValueError(
            f"A vocabulary of {vocabulary_size} has tokens from 0 to {vocabulary_size - 1}. "
            f"Received: token {outside[0]}"
        )
    return np.concatenate([[vocabulary_size], tokens])


def _key(histories, tokens, vocabulary_size):
    return histories * (vocabulary_size + 1) + tokens


def _histories(rows, starts):
    """Gives each token the row of the n-gram that ends before it, -1 where there is none."""
    return np.where(starts, -1, np.roll(rows, 1))
