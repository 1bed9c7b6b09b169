"""Front end of log-mel energies or their cepstrum, from a waveform, inside the model."""

from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.audio.features import SLOPE_REACH, means, slopes
from zoo.models.audio.front_end import FrontEnd
from zoo.typing import Shape, Tensor

FRONT_ENDS = ("frames", "log_mel", "mfcc")


@keras.saving.register_keras_serializable(package="zoo")
class LogMel(FrontEnd):
    """Log-mel spectrogram, or its cepstrum (MFCC), of a padded batch of waveforms.

    Frames of `frame_length` samples are centred on every `frame_step`-th sample. A frame counts as
    padding if its centre lies past the end of its waveform, so every clip but an empty one has at
    least one frame.

    Args:
        sampling_rate: int, in Hz.
        num_mel_bins: int, number of mel bands.
        num_coefficients: int or None. None returns log-mel energies; a number returns that many
            cepstral coefficients, the orthonormal DCT-II over the bands (Davis and Mermelstein
            1980).
        frame_length: int, window in samples.
        frame_step: int, hop in samples.
        min_frequency: float, in Hz, the lower edge of the lowest band. Hum and rumble lie mostly
            below 150 Hz.
        mean_normalization: float from 0 to 1, the fraction of each feature's mean over the clip
            to subtract. It removes the constant offset of a microphone or a voice (Atal 1974).
            The mean of a single word also carries its vowel, so a fraction can work better than
            1. A clip's loudness is subtracted entirely, unless this is 0.
        root_compression: float, the power, such as 0.1, to which energies are raised relative to
            the mean energy of their clip; 0 takes logarithms. A logarithm stresses how quiet the
            pauses are, which depends on the recording; a root stresses it less (Kim and Stern
            2016).
        deltas: bool, whether to append to each feature its slope over five frames (Furui 1986),
            which doubles the number of features.
        max_frequency: float, in Hz, the upper edge of the highest band; None for half the sampling
            rate.

    Call arguments:
        waveform: float tensor `[batch, samples]`, amplitudes in -1 to 1.
        padding_mask: bool tensor `[batch, samples]`, False at padding.

    Returns:
        `(features, padding_mask)`: float32 `[batch, frames, features]`, bool `[batch, frames]`.

    Attributes:
        reach: pair of int, the samples that a frame depends on, unless its clip is normalised:
            their number before its centre, and from the centre on.
    """

    def __init__(
        self,
        sampling_rate: int,
        num_mel_bins: int = 40,
        num_coefficients: int | None = None,
        frame_length: int = 200,
        frame_step: int = 80,
        min_frequency: float = 20.0,
        mean_normalization: float = 0.0,
        root_compression: float = 0.0,
        deltas: bool = False,
        max_frequency: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_coefficients is not None and not 1 <= num_coefficients <= num_mel_bins:
            raise ValueError(
                "`num_coefficients` must be between 1 and `num_mel_bins`. Received: "
                f"num_coefficients={num_coefficients}, num_mel_bins={num_mel_bins}"
            )
        if not 0 <= min_frequency < sampling_rate / 2:
            raise ValueError(
                "`min_frequency` must be at least 0 and below half the sampling rate. Received: "
                f"min_frequency={min_frequency}, sampling_rate={sampling_rate}"
            )
        if not 0 <= mean_normalization <= 1:
            raise ValueError(
                "`mean_normalization` must be a fraction from 0 to 1. Received: "
                f"mean_normalization={mean_normalization}"
            )
        if not 0 <= root_compression < 1:
            raise ValueError(
                "`root_compression` must be a power below 1, or 0 for the logarithm. Received: "
                f"root_compression={root_compression}"
            )
        self.sampling_rate = sampling_rate
        self.num_mel_bins = num_mel_bins
        self.num_coefficients = num_coefficients
        self.frame_length = frame_length
        self.frame_step = frame_step
        self.min_frequency = min_frequency
        self.mean_normalization = mean_normalization
        self.root_compression = root_compression
        self.deltas = deltas
        self.max_frequency = max_frequency
        fft_length = 2 ** int(np.ceil(np.log2(frame_length)))
        reach = fft_length // 2 + frame_step * (SLOPE_REACH if deltas else 0)
        self.reach = (reach, reach)
        self.spectrogram = keras.layers.MelSpectrogram(
            fft_length=fft_length,
            sequence_stride=frame_step,
            sequence_length=frame_length,
            sampling_rate=sampling_rate,
            num_mel_bins=num_mel_bins,
            min_freq=min_frequency,
            max_freq=max_frequency or sampling_rate / 2,
            power_to_db=False,
            dtype="float32",
        )

    def build(self, waveform_shape: Shape, padding_mask_shape: Shape | None = None) -> None:
        self.spectrogram.build(waveform_shape)

    def call(self, waveform: Tensor, padding_mask: Tensor) -> tuple[Tensor, Tensor]:
        waveform = ops.cast(waveform, "float32")
        waveform = ops.pad(waveform, [[0, 0], [0, self.frame_length]])
        energies = ops.transpose(self.spectrogram(waveform), (0, 2, 1))
        # The mask of the centres of frames; the last centre may lie past the last sample.
        margin = self.frame_length + self.frame_step
        mask = ops.pad(padding_mask, [[0, 0], [0, margin]])[:, :: self.frame_step]
        mask = mask[:, : ops.shape(energies)[1]]
        if self.root_compression:
            loudness = ops.mean(means(energies, mask), axis=-1, keepdims=True)
            features = ((energies + 1e-9) / (loudness + 1e-9)) ** self.root_compression
        else:
            features = ops.log(energies + 1e-6)
        if self.mean_normalization:
            averages = means(features, mask)
            loudness = ops.mean(averages, axis=-1, keepdims=True)
            features -= loudness + self.mean_normalization * (averages - loudness)
        if self.num_coefficients is not None:
            features = ops.matmul(features, self._dct_matrix())
        if self.deltas:
            features = ops.concatenate([features, slopes(features, mask)], axis=-1)
        return features, mask

    def stream_obstacle(self) -> str | None:
        if self.mean_normalization or self.root_compression:
            name = "mean_normalization" if self.mean_normalization else "root_compression"
            return (
                f"This model's front end ({name}) needs the whole sound for its first frame. Use a "
                f"model without {name}."
            )
        return None

    def _dct_matrix(self):
        bands, count = self.num_mel_bins, self.num_coefficients
        angles = np.pi / bands * np.outer(np.arange(bands) + 0.5, np.arange(count))
        matrix = np.sqrt(2.0 / bands) * np.cos(angles)
        matrix[:, 0] /= np.sqrt(2.0)
        return matrix.astype("float32")

    def compute_output_shape(
        self, waveform_shape: Shape, padding_mask_shape: Shape | None = None
    ) -> tuple[Shape, Shape]:
        batch = waveform_shape[0]
        width = self.num_coefficients or self.num_mel_bins
        return (batch, None, width * (1 + self.deltas)), (batch, None)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "sampling_rate": self.sampling_rate,
            "num_mel_bins": self.num_mel_bins,
            "num_coefficients": self.num_coefficients,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "min_frequency": self.min_frequency,
            "mean_normalization": self.mean_normalization,
            "root_compression": self.root_compression,
            "deltas": self.deltas,
            "max_frequency": self.max_frequency,
        }
