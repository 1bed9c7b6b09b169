"""Sound files as models take them: one channel at the model's sampling rate."""

from pathlib import Path


def read_sound(path, sampling_rate):
    """Reads a sound file, such as WAV, FLAC or OGG, of any rate, width and number of channels.

    Args:
        path: Path of the file.
        sampling_rate: int, in Hz. Sound of another rate is resampled.

    Returns:
        float32 array `[samples]`, the mean of the channels, clipped to [-1, 1].

    Raises:
        OSError: The file can't be opened.
        ValueError: The file isn't a sound file, is empty, or holds NaN or infinity.
    """
    import numpy as np
    import soundfile
    import soxr

    with Path(path).open("rb") as file:
        try:
            samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path} can't be read as a sound file: {error}") from error
    if not np.isfinite(samples).all():
        raise ValueError(f"{path} holds samples that are NaN or infinite. Export it again.")
    sound = soxr.resample(samples.mean(axis=1), rate, sampling_rate) if len(samples) else samples
    if not len(sound):
        raise ValueError(f"{path} holds no sound. Give a file of at least one sample.")
    # Floating-point files may exceed full scale, and resampling may overshoot it.
    return np.clip(sound, -1, 1)
