"""Neural cache: mixes a language model with the words that followed similar states."""

import dataclasses
import itertools

import numpy as np

WINDOW = 2000  # tokens remembered
QUERIES = 500  # tokens at once
SHARPNESS = (0.05, 0.1, 0.2, 0.3, 0.5)
WEIGHTS = (0.05, 0.1, 0.15, 0.2, 0.3)


@dataclasses.dataclass(frozen=True)
class NeuralCache:
    """A continuous cache of the words that followed earlier states.

    E. Grave, A. Joulin and N. Usunier, "Improving Neural Language Models with a Continuous Cache",
    ICLR 2017, https://arxiv.org/abs/1612.04426.

    The cache predicts each of the tokens that followed the last `WINDOW` states, with a probability
    that grows with the product of that state and the current one. It is mixed linearly with the
    model.

    Attributes:
        sharpness: float, the factor of that product, theta in the paper.
        weight: float in [0, 1], that of the cache in the mixture, lambda in the paper.
    """

    sharpness: float
    weight: float

    @classmethod
    def chosen(cls, scores, states, targets):
        """The cache with the lowest loss on a validation text; see `log_probabilities`."""
        found = {}
        for sharpness, weight in itertools.product(SHARPNESS, WEIGHTS):
            if weight == WEIGHTS[0]:
                remembered = _remembered(states, targets, sharpness)
            mixed = (1 - weight) * np.exp(scores) + weight * remembered
            found[cls(sharpness, weight)] = np.log(mixed).mean()
        return max(found, key=found.get)

    def log_probabilities(self, scores, states, targets):
        """The log-probabilities of the mixture.

        Args:
            scores: float array `[tokens]`, those of the model.
            states: float array `[tokens, dim]`, the model's output from which it predicts each
                token.
            targets: int array `[tokens]`, the tokens.

        Returns:
            float64 array `[tokens]`.
        """
        remembered = _remembered(states, targets, self.sharpness)
        return np.log(
            (1 - self.weight) * np.exp(scores, dtype="float64") + self.weight * remembered
        )


def _remembered(states, targets, sharpness):
    """The probability of each token in the cache, float64 `[tokens]`; 0 while it is empty."""
    count = len(targets)
    found = np.zeros(count)
    for start in range(1, count, QUERIES):
        queries = np.arange(start, min(start + QUERIES, count))
        keys = np.arange(max(0, start - WINDOW), queries[-1])
        similarity = sharpness * (states[queries] @ states[keys].T)
        age = queries[:, None] - keys
        similarity[(age < 1) | (age > WINDOW)] = -np.inf
        weights = np.exp(similarity - similarity.max(axis=1, keepdims=True))
        same = targets[queries][:, None] == targets[keys]
        found[queries] = (weights * same).sum(axis=1) / weights.sum(axis=1)
    return found
