"""Front end of the mel cepstra of CMU Sphinx, from a waveform, inside the model."""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.audio.front_end import FrontEnd
from zoo.typing import Shape, Tensor

WINDOW = 0.025625  # in seconds, 410 samples at 16 kHz
STEP = 0.01
PREEMPHASIS = 0.97
FLOOR = 1e-5  # the least energy of a band


@keras.saving.register_keras_serializable(package="zoo")
class SphinxCepstra(FrontEnd):
    """Mel cepstra as CMU Sphinx computes them by default.

    The front end that computed the cepstra of AN4: pre-emphasis, a Hamming window, the power
    of a Fourier transform, triangles of equal area on the mel scale whose corners lie on bins of
    the transform, logarithms, and a cosine transform in which the first band counts half (S. Davis
    and P. Mermelstein 1980). Window and transform are one strided convolution, which every export
    format supports.

    Frames of 25.6 ms begin every 10 ms. Incomplete frames count as padding, but every clip has at
    least one frame.

    Args:
        sampling_rate: int, in Hz.
        num_coefficients: int, number of cepstral coefficients.
        num_mel_bins: int, number of mel bands.
        min_frequency, max_frequency: float, in Hz, the edges of the bands.

    Call arguments:
        waveform: float tensor `[batch, samples]`, amplitudes in -1 to 1.
        padding_mask: bool tensor `[batch, samples]`, False at padding.

    Returns:
        `(features, padding_mask)`: float32 `[batch, frames, num_coefficients]`, bool
        `[batch, frames]`.

    Attributes:
        frame_step: int, samples from one frame to the next.
        reach: pair of int, the samples that a frame depends on: their number before its first
            sample, and from that sample on.
    """

    def __init__(
        self,
        sampling_rate: int = 16000,
        num_coefficients: int = 13,
        num_mel_bins: int = 40,
        min_frequency: float = 130.0,
        max_frequency: float = 6800.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= min_frequency < max_frequency <= sampling_rate / 2:
            raise ValueError(
                "The frequencies must be from 0 to half the sampling rate. Received: min_frequency="
                f"{min_frequency}, max_frequency={max_frequency}, sampling_rate={sampling_rate}"
            )
        self.sampling_rate = sampling_rate
        self.num_coefficients = num_coefficients
        self.num_mel_bins = num_mel_bins
        self.min_frequency = min_frequency
        self.max_frequency = max_frequency
        self.frame_length = round(WINDOW * sampling_rate)
        self.frame_step = round(STEP * sampling_rate)
        self.fft_length = 2 ** int(np.ceil(np.log2(self.frame_length)))
        self.reach = (1, self.frame_length)
        self._window_and_transform = self._fourier_filters()
        self._bands = self._mel_filters().T.astype("float32")
        self._cosines = self._cosine_transform().astype("float32")

    def build(self, waveform_shape: Shape, padding_mask_shape: Shape | None = None) -> None:
        self.built = True

    def call(self, waveform: Tensor, padding_mask: Tensor) -> tuple[Tensor, Tensor]:
        sound = 32768.0 * ops.cast(waveform, "float32")  # Sphinx takes 16-bit integers
        sound = sound - PREEMPHASIS * ops.pad(sound, [[0, 0], [1, 0]])[:, :-1]
        # A frame for each step, the last ones mostly padding.
        margin = self.frame_length - self.frame_step
        sound = ops.pad(sound, [[0, 0], [0, margin + self.frame_step]])
        spectrum = ops.conv(
            sound[..., None], self._window_and_transform, strides=self.frame_step, padding="valid"
        )
        real, imaginary = ops.split(spectrum, 2, axis=-1)
        energies = ops.matmul(real**2 + imaginary**2, self._bands)
        features = ops.matmul(ops.log(ops.maximum(energies, FLOOR)), self._cosines)
        ends = ops.pad(padding_mask, [[0, 0], [0, margin + self.frame_step]])
        is_full = ends[:, self.frame_length - 1 :: self.frame_step][:, : ops.shape(features)[1]]
        is_first = ops.arange(ops.shape(features)[1], dtype="int32")[None] == 0
        is_first = ops.logical_and(is_first, padding_mask[:, :1])
        return features, ops.logical_or(is_full, is_first)

    def compute_output_shape(
        self, waveform_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> tuple[Shape, Shape]:
        batch = waveform_shape[0]
        return (batch, None, self.num_coefficients), (batch, None)

    def _fourier_filters(self):
        """The real and imaginary parts of a windowed Fourier transform, as filters
        `[frame_length, 1, 2 * bins]`."""
        samples = np.arange(self.frame_length)
        window = 0.54 - 0.46 * np.cos(2 * np.pi * samples / (self.frame_length - 1))
        bins = np.arange(self.fft_length // 2 + 1)
        angles = 2 * np.pi * np.outer(samples, bins) / self.fft_length
        parts = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)
        return (window[:, None] * parts)[:, None].astype("float32")

    def _mel_filters(self):
        mel = lambda frequency: 2595 * np.log10(1 + frequency / 700)
        limits = mel(self.min_frequency), mel(self.max_frequency)
        corners = 700 * (10 ** (np.linspace(*limits, self.num_mel_bins + 2) / 2595) - 1)
        bin_width = self.sampling_rate / self.fft_length
        corners = np.floor(corners / bin_width + 0.5) * bin_width
        frequencies = np.arange(self.fft_length // 2 + 1) * bin_width
        filters = np.zeros((self.num_mel_bins, len(frequencies)))
        for band in range(self.num_mel_bins):
            left, centre, right = corners[band : band + 3]
            up = (frequencies - left) / max(centre - left, bin_width)
            down = (right - frequencies) / max(right - centre, bin_width)
            triangle = np.clip(np.minimum(up, down), 0, None)
            filters[band] = triangle * 2 / max(right - left, bin_width)
        return filters

    def _cosine_transform(self):
        bands = np.arange(self.num_mel_bins) + 0.5
        angles = np.pi * np.outer(bands, np.arange(self.num_coefficients)) / self.num_mel_bins
        cosines = np.cos(angles) / self.num_mel_bins
        cosines[0] /= 2
        return cosines

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sampling_rate": self.sampling_rate,
            "num_coefficients": self.num_coefficients,
            "num_mel_bins": self.num_mel_bins,
            "min_frequency": self.min_frequency,
            "max_frequency": self.max_frequency,
        }
