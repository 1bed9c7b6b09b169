"""N-gram models of words and of characters for a recogniser's beam search."""

import functools
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np

from zoo.models.kneser_ney import KneserNey

UNKNOWN = 0
END = 1


class Ngrams:
    """Base class of n-gram models: probabilities of tokens, given those before them, from
    transcripts.

    Modified Kneser-Ney smoothing, see `KneserNey`. A token that isn't in the transcripts has the
    probability of an unseen one. A subclass says what a token is.

    Args:
        vocabulary: list of str, the tokens.
        sentences: list of lists of int, the transcripts as indices of `vocabulary`. A preset stores
            them, and counts them again when it is loaded.
        order: int, length of the longest n-gram in tokens.

    Attributes:
        unit: str, what a token is.
    """

    unit: str

    def __init__(
        self, vocabulary: Sequence[str], sentences: Iterable[Sequence[int]], order: int
    ) -> None:
        self.vocabulary = list(vocabulary)
        self.sentences = [list(sentence) for sentence in sentences]
        self.order = order
        self._ids = {token: 2 + index for index, token in enumerate(self.vocabulary)}
        sequences = [np.array([2 + token for token in one] + [END]) for one in self.sentences]
        self._model = KneserNey.fit(sequences, order, 2 + len(self.vocabulary))
        self._log_probability = functools.cache(self._scored)

    @classmethod
    def fit(cls, transcripts: Iterable[str], order: int) -> Self:
        """Counts the n-grams of transcripts, a list of str."""
        sentences = [cls.tokens(text) for text in transcripts]
        vocabulary = sorted({token for sentence in sentences for token in sentence})
        index = {token: number for number, token in enumerate(vocabulary)}
        return cls(vocabulary, [[index[token] for token in one] for one in sentences], order)

    @staticmethod
    def tokens(text: str) -> list[str]:
        """The tokens of a text, a list of str."""
        raise NotImplementedError

    @staticmethod
    def extended(partial: str, character: str) -> tuple[str | None, str]:
        """Appends a character to the beginning of a token.

        Args:
            partial: str, empty between tokens.
            character: str.

        Returns:
            A pair of the token that the character completes, a str or None, and the beginning of
            the next one.
        """
        raise NotImplementedError

    def log_probability(self, token: str | None, history: tuple[str, ...]) -> float:
        """Natural logarithm of the probability of a token, or of the end of the sentence.

        Args:
            token: str; None for the end.
            history: tuple of str, the tokens before it: all of them, or the last `order`.
        """
        ids = tuple(self._ids.get(one, UNKNOWN) for one in history)
        if len(ids) >= self.order:  # an n-gram that doesn't reach the start of the sentence
            ids = (UNKNOWN, *ids[len(ids) - self.order + 1 :])
        return self._log_probability(END if token is None else self._ids.get(token, UNKNOWN), ids)

    def _scored(self, token, history):
        return float(self._model.log_probabilities([*history, token], start=len(history))[0])

    def get_config(self) -> dict[str, Any]:
        """What `from_config` takes. The key of the vocabulary names the unit."""
        return {
            f"{self.unit}s": self.vocabulary,
            "sentences": self.sentences,
            "order": self.order,
        }


class WordNgrams(Ngrams):
    """An n-gram model of words, separated by white space."""

    unit = "word"

    @staticmethod
    def tokens(text: str) -> list[str]:
        return text.split()

    @staticmethod
    def extended(partial: str, character: str) -> tuple[str | None, str]:
        if character.isspace():
            return partial or None, ""
        return None, partial + character


class CharacterNgrams(Ngrams):
    """An n-gram model of characters, including white space."""

    unit = "character"

    @staticmethod
    def tokens(text: str) -> list[str]:
        return list(text)

    @staticmethod
    def extended(partial: str, character: str) -> tuple[str | None, str]:
        return character, ""


def from_config(config: dict[str, Any]) -> Ngrams:
    """The `Ngrams` of a dict that `get_config` returned."""
    (cls,) = (one for one in (WordNgrams, CharacterNgrams) if f"{one.unit}s" in config)
    return cls(config[f"{cls.unit}s"], config["sentences"], config["order"])
