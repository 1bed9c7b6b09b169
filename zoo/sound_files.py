"""Sound files as models take them: one channel at the model's sampling rate."""

from pathlib import Path


def read_sound(path, sampling_rate):
    """Reads a sound file, such as WAV, FLAC or OGG, of any rate, width and number of channels.

    Args:
        path: of the file.
        sampling_rate: int, in Hz; sound of another rate is resampled.

    Returns:
        float32 array `[samples]`, the mean of the channels, within [-1, 1].

    Raises:
        OSError: the file can't be opened.
        ValueError: the file is empty or no sound file.
    """
    import soundfile
    import soxr

    with Path(path).open("rb") as file:
        try:
            samples, rate = soundfile.read(file, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path} can't be read as a sound file: {error}") from error
    sound = soxr.resample(samples.mean(axis=1), rate, sampling_rate) if len(samples) else samples
    if not len(sound):
        raise ValueError(f"{path} holds no sound. Give a file of at least one sample.")
    return sound
