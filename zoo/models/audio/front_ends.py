"""The front ends that turn a waveform into frames, by name."""

from typing import Any

from zoo.models.audio.front_end import FrontEnd
from zoo.models.audio.log_mel import LogMel
from zoo.models.audio.sphinx_cepstra import SphinxCepstra

NAMES = ("log_mel", "mfcc", "sphinx_cepstra")


def make(
    name: str,
    sampling_rate: int,
    feature_dim: int,
    min_frequency: float | None = None,
    max_frequency: float | None = None,
) -> FrontEnd:
    """Makes a front end with a frame every 10 ms.

    Args:
        name: one of `NAMES`.
        sampling_rate: int, in Hz.
        feature_dim: int, number of mel bands or of cepstral coefficients.
        min_frequency, max_frequency: float, in Hz, the edges of the bands; None for the front end's
            default.

    Returns:
        A Keras layer, such as `LogMel`.

    Raises:
        ValueError: there is no front end of that name.
    """
    edges: dict[str, Any] = {"min_frequency": min_frequency, "max_frequency": max_frequency}
    edges = {key: value for key, value in edges.items() if value is not None}
    if name == "sphinx_cepstra":
        return SphinxCepstra(sampling_rate, feature_dim, **edges, name="front_end")
    if name not in NAMES:
        raise ValueError(f"`front_end` must be one of {NAMES}. Received: front_end={name!r}")
    return LogMel(
        sampling_rate,
        num_mel_bins=40 if name == "mfcc" else feature_dim,
        num_coefficients=feature_dim if name == "mfcc" else None,
        frame_length=sampling_rate // 40,
        frame_step=sampling_rate // 100,
        **edges,
        name="front_end",
    )
