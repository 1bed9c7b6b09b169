"""Augmentation of frames that changes their number or mixes their coefficients."""

import functools

import numpy as np

FACTORS = 31  # of a warp, so that each needs one matrix


def stretched(frames, factor):
    """Frames at another speed with the same pitch, by linear interpolation over time.

    Args:
        frames: float32 `[frames, features]`.
        factor: float, above 1 for more frames.
    """
    count = max(1, round(len(frames) * factor))
    places = np.linspace(0, len(frames) - 1, count)
    before = places.astype(int)
    after = np.minimum(before + 1, len(frames) - 1)
    weight = (places - before)[:, None].astype("float32")
    return frames[before] * (1 - weight) + frames[after] * weight


def warped(cepstra, widest, generator, edges):
    """Warps cepstra to simulate another vocal tract length, which scales all frequencies.

    Args:
        cepstra: float32 `[frames, coefficients]`.
        widest: float; the scale is drawn uniformly from 1 - `widest` to 1 + `widest`.
        generator: `numpy.random.Generator`.
        edges: pair of float, in Hz, the edges of the mel bands.
    """
    scale = np.linspace(1 - widest, 1 + widest, FACTORS)[generator.integers(FACTORS)]
    return cepstra @ warp_matrix(float(scale), cepstra.shape[1], *edges)


@functools.cache
def warp_matrix(scale, coefficients, low, high, bands=40):
    """The linear map of cepstra that scales the frequencies of their spectrum.

    A cepstrum is a sum of cosines over the mel scale. It is evaluated at the bands' frequencies
    divided by the scale, and transformed back (compare L. Lee and R. Rose, "A frequency warping
    approach to speaker normalization", 1998).

    Args:
        scale: float, 1 for no change.
        coefficients: int, number of cepstral coefficients, the first for the mean.
        low, high: float, in Hz, the edges of the bands.
        bands: int.

    Returns:
        float32 array `[coefficients, coefficients]`, to multiply rows of cepstra with.
    """
    mel = lambda frequency: 2595 * np.log10(1 + frequency / 700)
    hertz = lambda mels: 700 * (10 ** (mels / 2595) - 1)
    width = mel(high) - mel(low)
    centres = (np.arange(bands) + 0.5) / bands
    moved = (mel(hertz(mel(low) + centres * width) / scale) - mel(low)) / width
    orders = np.arange(coefficients)
    # Orthonormal, except that the first row is divided by the square root of 2 twice: once here and
    # once by its norm.
    forwards = np.cos(np.pi * np.outer(centres, orders)) * (2 - (orders == 0)) / bands
    backwards = np.cos(np.pi * np.outer(np.clip(moved, 0, 1), orders))
    return (backwards.T @ forwards).astype("float32")
