"""Word n-gram model that a recogniser's beam search consults."""

import functools

import numpy as np

from zoo.models.kneser_ney import KneserNey

UNKNOWN = 0
END = 1


class WordNgrams:
    """Probabilities of words, given those before them, from transcripts.

    Modified Kneser-Ney smoothing, see `KneserNey`. A word that the transcripts lack has the
    probability of an unseen one.

    Args:
        words: list of str, the vocabulary.
        sentences: list of lists of int, the transcripts as indices of `words`. The counts are made
            of them, so a preset stores what it was made of.
        order: int, length of the longest n-gram in words.
    """

    def __init__(self, words, sentences, order):
        self.words = list(words)
        self.sentences = [list(sentence) for sentence in sentences]
        self.order = order
        self._ids = {word: 2 + index for index, word in enumerate(self.words)}
        sequences = [np.array([2 + word for word in one] + [END]) for one in self.sentences]
        self._model = KneserNey.fit(sequences, order, 2 + len(self.words))
        self._log_probability = functools.cache(self._scored)

    @classmethod
    def fit(cls, transcripts, order):
        """Counts the n-grams of transcripts, a list of str."""
        sentences = [text.split() for text in transcripts]
        words = sorted({word for sentence in sentences for word in sentence})
        index = {word: number for number, word in enumerate(words)}
        return cls(words, [[index[word] for word in one] for one in sentences], order)

    def log_probability(self, word, history):
        """Natural logarithm of the probability of a word, or of the end of the sentence.

        Args:
            word: str; None for the end.
            history: tuple of str, all words before it.
        """
        ids = tuple(self._ids.get(one, UNKNOWN) for one in history)
        if len(ids) >= self.order:  # an n-gram that doesn't reach the start of the sentence
            ids = (UNKNOWN, *ids[len(ids) - self.order + 1 :])
        return self._log_probability(END if word is None else self._ids.get(word, UNKNOWN), ids)

    def _scored(self, word, history):
        return float(self._model.log_probabilities([*history, word], start=len(history))[0])

    def get_config(self):
        return {"words": self.words, "sentences": self.sentences, "order": self.order}
