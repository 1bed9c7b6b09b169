"""Prefix beam search over the output of connectionist temporal classification (CTC)."""

import dataclasses
import math

import numpy as np

LEAST = math.log(1e-4)  # labels below this probability don't extend a prefix


@dataclasses.dataclass(eq=False)
class _Prefix:
    """A text in the beam. Prefixes make up a tree, so each is made once.

    Attributes:
        label: int, its last label; 0 for the empty text.
        parent: the `_Prefix` without it.
        words: tuple of str, its complete words.
        word: str, the beginning of the next one.
        bonus: float, what the n-gram model adds to its logarithmic probability.
    """

    label: int
    parent: object = None
    words: tuple = ()
    word: str = ""
    bonus: float = 0.0
    children: dict = dataclasses.field(default_factory=dict)

    def labels(self):
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.label)
            prefix = prefix.parent
        return found[::-1]


class PrefixBeamSearch:
    """Finds the likeliest text, summed over its paths, with an optional word n-gram model.

    The value of a text is log p_CTC + weight * log p_n-gram + word_bonus * words (A. Hannun et al.,
    "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs",
    2014, https://arxiv.org/abs/1408.2873, algorithm 1).

    Args:
        alphabet: str, the character of each label but the blank, label 0.
        beam_width: int, the number of texts kept after each step.
        ngrams: `WordNgrams` or None.
        weight: float, the weight of the n-gram model.
        word_bonus: float, added for each word, as an n-gram model prefers few.
    """

    def __init__(self, alphabet, beam_width, ngrams=None, weight=0.0, word_bonus=0.0):
        self.alphabet = alphabet
        self.beam_width = beam_width
        self.ngrams = ngrams
        self.weight = weight
        self.word_bonus = word_bonus

    def __call__(self, log_probabilities):
        """The labels of the best text, a list of int.

        Args:
            log_probabilities: float array `[steps, 1 + labels]`.
        """
        # Of each text, the probability of its paths that end with a blank, and with its last label.
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
            character = self.alphabet[label - 1]
            child = _Prefix(label, prefix, prefix.words, prefix.word + character, prefix.bonus)
            if character.isspace():
                child.word = ""
                if prefix.word:
                    child.bonus += self._word(prefix)
                    child.words = (*prefix.words, prefix.word)
            prefix.children[label] = child
        return child

    def _word(self, prefix):
        """The bonus of the last word of a text."""
        if self.ngrams is None:
            return 0.0
        score = self.ngrams.log_probability(prefix.word, prefix.words)
        return self.weight * score + self.word_bonus

    def _final(self, prefix, value):
        total = _add(*value) + prefix.bonus
        if self.ngrams is None:
            return total
        words = prefix.words
        if prefix.word:
            total += self._word(prefix)
            words = (*words, prefix.word)
        return total + self.weight * self.ngrams.log_probability(None, words)


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
