"""Sound files and raw sound as models take them: one channel at the model's sampling rate."""

import io

from zoo.files import read_bytes

# Extensions of sound files, even unreadable ones, so that they aren't skipped silently.
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
        # Without its name, since some names alone make soundfile read headerless samples.
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            rate, blocks = file.samplerate, []
            # Block by block: a damaged header may claim more samples than memory holds.
            while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
                with np.errstate(over="ignore", invalid="ignore"):  # reported below
                    blocks.append(block.mean(axis=1))
    except Exception as error:  # damaged files cause errors of any kind in decoders
        told = getattr(error, "error_string", str(error))  # without the name of the copy
        reason = (told or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path} can't be read as a sound file: {reason}") from error
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(
            f"{path} has a sampling rate of {rate} Hz, which must be from {LOWEST_RATE} to "
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


class RawSound:
    """Decodes raw sound that arrives in pieces: 16-bit little-endian samples of one channel.

    Args:
        rate: int, in Hz, the sampling rate of the sound.
        sampling_rate: int, in Hz. Sound of another rate is resampled.

    Raises:
        ValueError: The rate is below 1 kHz or above 1 MHz.
    """

    def __init__(self, rate, sampling_rate):
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise ValueError(
                f"The sampling rate must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz. Received: "
                f"{rate}"
            )
        self._half = b""  # of a sample
        self._resampler = None
        if rate != sampling_rate:
            import soxr

            self._resampler = soxr.ResampleStream(rate, sampling_rate, 1, dtype="float32")

    def read(self, content, is_last=False):
        """Decodes a piece.

        Args:
            content: bytes, any number of them.
            is_last: bool, whether the sound ends.

        Returns:
            float32 array `[samples]` from -1 to 1. Resampling delays some of them.

        Raises:
            ValueError: The sound ends in the middle of a sample.
        """
        import numpy as np

        content = self._half + content
        count = len(content) // 2
        self._half = content[2 * count :]
        if is_last and self._half:
            raise ValueError(
                "Raw sound must be 16-bit samples, but ended in the middle of one. Received an odd "
                "number of bytes."
            )
        samples = np.frombuffer(content, "<i2", count).astype("float32") / 32768
        if self._resampler is None:
            return samples
        return np.clip(self._resampler.resample_chunk(samples, is_last), -1, 1)
