"""Sounds that aren't words of a dataset: silence, noise, tones and pieces of words."""

import numpy as np

UNKNOWN = "unknown"  # the label of other sounds
SECONDS = (0.2, 1.0)  # the shortest and the longest sound that isn't made from words
LEVELS = (-60, -6)  # root mean square, in decibels below full scale
PIECE = (0.2, 0.4)  # the fraction of a word in a piece that is too short to be the word


def other_sounds(clips, count, sampling_rate, generator):
    """Makes sounds that a classifier of words should reject.

    A third is silence, noise of any colour or a few steady tones; the others are made from words:
    the beginning or the end of one, pieces of three in a row, or one that is played backwards.

    Args:
        clips: list of float32 arrays `[samples]`, words.
        count: int.
        sampling_rate: int, in Hz.
        generator: `numpy.random.Generator`.

    Returns:
        A list of float32 arrays `[samples]`.
    """
    made = []
    for _ in range(count):
        word = lambda: clips[generator.integers(len(clips))]
        kind = generator.integers(9)
        if kind < 3:
            length = int(sampling_rate * generator.uniform(*SECONDS))
            make = (_silence, _noise, _tones)[kind]
            sound = make(length, sampling_rate, generator)
        elif kind < 5:
            sound = _piece(word(), generator)
        elif kind < 7:
            sound = np.concatenate([_piece(word(), generator) for _ in range(3)])
        else:
            sound = word()[::-1]
        made.append(np.ascontiguousarray(sound, "float32"))
    return made


def _silence(length, sampling_rate, generator):
    return np.zeros(length)


def _noise(length, sampling_rate, generator):
    """Noise whose power falls with the frequency by a random power."""
    spectrum = np.fft.rfft(generator.normal(size=length))
    slope = generator.uniform(0, 1.5)
    spectrum /= np.arange(1, len(spectrum) + 1) ** slope
    return _at_some_level(np.fft.irfft(spectrum, length), generator)


def _tones(length, sampling_rate, generator):
    """One to four sines with constant frequencies."""
    time = np.arange(length) / sampling_rate
    frequencies = np.exp(
        generator.uniform(np.log(60), np.log(sampling_rate / 2), generator.integers(1, 5))
    )
    phases = generator.uniform(0, 2 * np.pi, len(frequencies))
    tones = np.sin(2 * np.pi * frequencies[:, None] * time + phases[:, None])
    return _at_some_level(tones.sum(axis=0), generator)


def _piece(word, generator):
    """The beginning or the end of a word."""
    length = max(1, int(len(word) * generator.uniform(*PIECE)))
    return word[:length] if generator.random() < 0.5 else word[-length:]


def _at_some_level(sound, generator):
    size = np.sqrt(np.mean(sound**2)) + 1e-12
    return np.clip(sound / size * 10 ** (generator.uniform(*LEVELS) / 20), -1, 1)
