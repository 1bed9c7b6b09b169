"""Sound files as models take them: one channel at the model's sampling rate."""

import io

from zoo.files import read_bytes

# Of sound files, also of those that can't be read, so that they aren't passed over.
ENDINGS = (".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mp3", ".oga", ".ogg")
ENDINGS += (".opus", ".w64", ".wav", ".webm", ".wma")
LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000  # Hz
BLOCK = 1 << 20  # samples


def read_sound(path, sampling_rate):
    """Reads a sound file, such as WAV, FLAC or OGG, of any rate, width and number of channels.

    Args:
        path: Path of the file.
        sampling_rate: int, in Hz. Sound of another rate is resampled.

    Returns:
        float32 array `[samples]`, the mean of the channels, clipped to [-1, 1].

    Raises:
        OSError: The file can't be opened.
        ValueError: The file isn't a sound file, is empty, holds NaN or infinity, or has a sampling
            rate below 1 kHz or above 1 MHz.
    """
    import numpy as np
    import soundfile
    import soxr

    content = read_bytes(path)
    try:
        # Without its name, which alone would make soundfile take a file for headerless samples.
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, blocks = file.samplerate, []
            # Block by block: a damaged header may claim more samples than memory holds.
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                with np.errstate(over="ignore", invalid="ignore"):  # told below
                    blocks.append(block.mean(axis=1))
    except Exception as error:  # of any kind, as damaged files provoke in the decoders
        told = getattr(error, "error_string", str(error))  # without the name of our copy
        reason = (told or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} can't be read as a sound file: {reason}") from error
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(
            f"{path} has a sampling rate of {rate} Hz, and sound has one from {LOWEST_RATE} to "
            f"{HIGHEST_RATE} Hz. Export it again."
        )
    samples = np.concatenate(blocks or [np.zeros(0, "float32")])
    sound = soxr.resample(samples, rate, sampling_rate) if len(samples) else samples
    if not len(sound):
        raise ValueError(f"{path} holds no sound. Give a file of at least one sample.")
    if not (np.isfinite(samples).all() and np.isfinite(sound).all()):
        raise ValueError(f"{path} holds samples that are NaN or infinite. Export it again.")
    # Floating-point files may exceed full scale, and resampling may overshoot it.
    return np.clip(sound, -1, 1)
