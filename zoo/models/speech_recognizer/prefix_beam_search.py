"""Prefix beam search over the output of connectionist temporal classification (CTC)."""

import dataclasses
import math

import numpy as np

from zoo.models.speech_recognizer.ngrams import Ngrams

LEAST = math.log(1e-4)  # labels below this probability don't extend a prefix


@dataclasses.dataclass(eq=False)
class _Prefix:
    """A text in the beam. Prefixes form a tree, so each is created once.

    Attributes:
        label: int, its last label; 0 for the empty text.
        parent: the `_Prefix` without it.
        history: tuple of str, its last complete tokens of the n-gram model.
        partial: str, the beginning of the next token.
        bonus: float, what the n-gram model adds to its log-probability.
    """

    label: int
    parent: object = None
    history: tuple = ()
    partial: str = ""
    bonus: float = 0.0
    children: dict = dataclasses.field(default_factory=dict)

    def labels(self):
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.label)
            prefix = prefix.parent
        return found[::-1]


class PrefixBeamSearch:
    """Finds the likeliest text, summed over its paths, with an optional n-gram model.

    The score of a text is log p_CTC + weight * log p_n-gram + word_bonus * words (A. Hannun et al.,
    "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs",
    2014, https://arxiv.org/abs/1408.2873, algorithm 1), whatever the tokens of the n-gram model.

    Args:
        alphabet: str, the character of each label but the blank, label 0.
        beam_width: int, the number of texts kept after each step.
        ngrams: `Ngrams`, such as `WordNgrams`, or None.
        weight: float, the weight of the n-gram model.
        word_bonus: float, added for each word, since an n-gram model prefers few words.
    """

    def __init__(
        self,
        alphabet: str,
        beam_width: int,
        ngrams: Ngrams | None = None,
        weight: float = 0.0,
        word_bonus: float = 0.0,
    ) -> None:
        self.alphabet = alphabet
        self.beam_width = beam_width
        self.ngrams = ngrams
        self.weight = weight
        self.word_bonus = word_bonus

    def __call__(self, log_probabilities: np.ndarray) -> list[int]:
        """The labels of the best text, a list of int.

        Args:
            log_probabilities: float array `[steps, 1 + labels]`.
        """
        # For each text, the probability of its paths that end with a blank, and with its last
        # label.
        beam = {_Prefix(0): (0.0, -math.inf)}
        for row in log_probabilities:
            likely = [int(label) for label in np.flatnonzero(row > LEAST) if label]
            row = row.tolist()
            beam = self._best(self._extended(beam, row, likely))
        best = max(beam, key=lambda prefix: self._final(prefix, beam[prefix]))
        return best.labels()

    def _extended(self, beam, row, likely):
        found = {}
        for prefix, (blank, label) in beam.items():
            total = _add(blank, label)
            _accumulate(found, prefix, 0, total + row[0])
            if prefix.label:
                _accumulate(found, prefix, 1, label + row[prefix.label])
            for one in likely:
                # A repeated label is a new one only after a blank.
                before = blank if one == prefix.label else total
                if before > -math.inf:
                    _accumulate(found, self._child(prefix, one), 1, before + row[one])
        return found

    def _best(self, found):
        if len(found) <= self.beam_width:
            return found
        value = lambda item: _add(*item[1]) + item[0].bonus
        return dict(sorted(found.items(), key=value, reverse=True)[: self.beam_width])

    def _child(self, prefix, label):
        child = prefix.children.get(label)
        if child is None:
            child = _Prefix(label, prefix, prefix.history, prefix.partial, prefix.bonus)
            if self.ngrams is not None:
                character = self.alphabet[label - 1]
                token, child.partial = self.ngrams.extended(prefix.partial, character)
                if token is not None:
                    child.bonus += self._score(token, prefix.history)
                    child.history = self._appended(prefix.history, token)
                if character.isspace() and self._is_in_word(prefix):
                    child.bonus += self.word_bonus
            prefix.children[label] = child
        return child

    def _is_in_word(self, prefix):
        return prefix.label > 0 and not self.alphabet[prefix.label - 1].isspace()

    def _score(self, token, history):
        return self.weight * self.ngrams.log_probability(token, history)

    def _appended(self, history, token):
        return (*history, token)[-self.ngrams.order :]

    def _final(self, prefix, value):
        total = _add(*value) + prefix.bonus
        if self.ngrams is None:
            return total
        history = prefix.history
        if prefix.partial:
            total += self._score(prefix.partial, history)
            history = self._appended(history, prefix.partial)
        if self._is_in_word(prefix):
            total += self.word_bonus
        return total + self._score(None, history)


def _accumulate(found, prefix, part, value):
    parts = list(found.get(prefix, (-math.inf, -math.inf)))
    parts[part] = _add(parts[part], value)
    found[prefix] = tuple(parts)


def _add(a, b):
    """log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    if b == -math.inf:
        return a
    return a + math.log1p(math.exp(b - a))
