"""One hidden Markov model per word, and Viterbi's algorithm over strings of words."""

import itertools

import numpy as np

STATES = 6  # of a word, from left to right
ITERATIONS = 6
FLOOR = 1e-2  # of variances, relative to those of the training data


class WordHMM:
    """Recognises strings of words with Gaussian hidden Markov models, one for each word.

    A word is a chain of states, each with a diagonal Gaussian over normalised frames and their
    slopes. Training starts from an even segmentation of the strings, and then segments them again
    by Viterbi's algorithm. In recognition, any chain may follow any other (L.
    Rabiner, "A Tutorial on Hidden Markov Models and Selected Applications in Speech Recognition",
    1989).

    Args:
        words: list of str.
        insertion: float, what each word adds to the log-probability of a path.
    """

    def __init__(self, words, insertion=0.0):
        self.words = words
        self.insertion = insertion
        self._index = {word: number for number, word in enumerate(words)}

    def fit(self, utterances, texts):
        """Fits all words to utterances, float arrays `[frames, features]`, and their texts."""
        strings = [[self._index[word] for word in text.split()] for text in texts]
        chains = [
            np.concatenate([np.arange(STATES) + STATES * word for word in string])
            for string in strings
        ]
        paths = [
            chain[np.arange(len(frames)) * len(chain) // len(frames)]
            for frames, chain in zip(utterances, chains, strict=True)
        ]
        every = np.concatenate(utterances)
        floor = FLOOR * every.var(axis=0)
        for _ in range(ITERATIONS):
            states = np.concatenate(paths)
            count = STATES * len(self.words)
            self.means = np.zeros((count, every.shape[1]))
            self.variances = np.ones_like(self.means)
            self.stays = np.full(count, 0.5)
            for state in range(count):
                chosen = every[states == state]
                if len(chosen):
                    self.means[state] = chosen.mean(axis=0)
                    self.variances[state] = np.maximum(chosen.var(axis=0), floor)
                    visits = sum(np.sum(np.diff(path == state, prepend=0) > 0) for path in paths)
                    self.stays[state] = np.clip(1 - visits / len(chosen), 0.05, 0.98)
            paths = [
                self._forced(frames, chain)
                for frames, chain in zip(utterances, chains, strict=True)
            ]
        return self

    def recognise(self, frames):
        """The likeliest string of words, a str."""
        model = self._decoder()
        path = model.predict(frames)
        ends = np.concatenate([[-1], path[:-1]])
        # A word begins where its first state is entered from another one.
        starts = path[(path % STATES == 0) & (ends != path)]
        return " ".join(self.words[state // STATES] for state in starts)

    @property
    def parameters(self):
        """int, the number of values that the models store."""
        return self.means.size + self.variances.size + self.stays.size

    def _forced(self, frames, chain):
        """The likeliest states of an utterance whose words are known."""
        count = len(chain)
        if len(frames) < count:  # too short for a frame in each state
            return chain[np.arange(len(frames)) * count // len(frames)]
        transitions = np.diag(self.stays[chain]) + np.diag(1 - self.stays[chain[:-1]], 1)
        transitions[-1, -1] = 1
        start = np.eye(count)[0]
        path = self._model(chain, start, transitions).predict(frames)
        return chain[path]

    def _decoder(self):
        count = STATES * len(self.words)
        transitions = np.diag(self.stays) + np.diag(1 - self.stays[:-1], 1)
        firsts, lasts = np.arange(0, count, STATES), np.arange(STATES - 1, count, STATES)
        transitions[lasts] = 0
        transitions[lasts, lasts] = self.stays[lasts]
        weight = np.exp(self.insertion)
        for last in lasts:
            transitions[last, firsts] += (1 - self.stays[last]) * weight / len(self.words)
        start = np.zeros(count)
        start[firsts] = 1 / len(self.words)
        return self._model(np.arange(count), start, transitions)

    def _model(self, states, start, transitions):
        from hmmlearn.hmm import GaussianHMM

        model = GaussianHMM(len(states), covariance_type="diag")
        model.startprob_ = start
        model.transmat_ = transitions / transitions.sum(axis=1, keepdims=True)
        model.n_features = self.means.shape[1]
        model.means_ = self.means[states]
        model.covars_ = self.variances[states]
        return model


def with_slopes(frames):
    """Frames normalised over their utterance, with their slopes over five frames."""
    frames = (frames - frames.mean(axis=0)) / (frames.std(axis=0) + 1e-3)
    padded = np.pad(frames, [(2, 2), (0, 0)], mode="edge")
    at = lambda offset: padded[2 + offset : len(frames) + 2 + offset]
    return np.concatenate([frames, (2 * (at(2) - at(-2)) + at(1) - at(-1)) / 10], axis=1)


def best_insertion(model, utterances, texts, errors, candidates):
    """Sets the insertion weight with the fewest errors on utterances; see `WordHMM`.

    Args:
        model: a fitted `WordHMM`.
        utterances, texts: of the validation split.
        errors: function from texts and recognised texts to a number.
        candidates: list of float.
    """
    counts = {}
    for model.insertion in candidates:
        counts[model.insertion] = errors(texts, list(map(model.recognise, utterances)))
    model.insertion = min(candidates, key=counts.get)


def vocabulary(texts):
    """The words of texts, sorted."""
    return sorted(set(itertools.chain.from_iterable(text.split() for text in texts)))
