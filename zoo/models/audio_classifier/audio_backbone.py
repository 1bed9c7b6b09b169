"""Audio backbone: an optional front end, normalisation and recurrent layers."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from zoo.models.audio.frame_augmentation import FrameAugmentation
from zoo.models.audio.log_mel import FRONT_ENDS, LogMel
from zoo.models.recurrent_stack import RecurrentBackbone, recurrent_stack
from zoo.typing import DType, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class AudioBackbone(RecurrentBackbone):
    """Encodes frames of features, or a waveform, with recurrent layers.

    Features are normalised by the mean and variance of the training data, which `adapt` computes
    and which are saved with the weights.

    Args:
        architecture: str, a name of `zoo.layers.architectures`, such as `"lstm"`.
        front_end: `"frames"` if the input is frames of features, else the front end that
            computes them from a waveform: `"log_mel"` or `"mfcc"`.
        feature_dim: int, features per frame: their number in the input, the number of mel bands,
            or of cepstral coefficients (of 40 bands).
        sampling_rate: int, in Hz, of a waveform.
        bidirectional: bool, whether to read both directions even if the architecture doesn't.
        units: int, units of each recurrent layer and direction.
        num_layers: int, number of recurrent layers.
        dropout: float, dropout rate between layers.
        noise, shift, frame_dropout: see `FrameAugmentation`.
        min_frequency, mean_normalization, root_compression, deltas: see `LogMel`; ignored for
            frames.
        dtype: dtype or dtype policy of the layers; the front end and the normalisation are float32.

    Call arguments:
        inputs: dict with `"audio"`, float32 `[batch, frames, feature_dim]` or
            `[batch, samples]`, and `"padding_mask"`, bool `[batch, frames]` or
            `[batch, samples]`, False at padding.

    Returns:
        A dict of `"sequence"`, float `[batch, frames, units]` (twice as wide if both directions
        are read), and `"padding_mask"`, bool `[batch, frames]`.
    """

    def __init__(
        self,
        architecture: str,
        front_end: Literal["frames", "log_mel", "mfcc"] = "frames",
        feature_dim: int = 40,
        sampling_rate: int = 8000,
        units: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        noise: float = 0.0,
        shift: float = 0.0,
        frame_dropout: float = 0.0,
        min_frequency: float = 20.0,
        mean_normalization: float = 0.0,
        root_compression: float = 0.0,
        deltas: bool = False,
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if front_end not in FRONT_ENDS:
            raise ValueError(
                f"`front_end` must be one of {FRONT_ENDS}. Received: front_end={front_end!r}"
            )
        shape = (None, feature_dim) if front_end == "frames" else (None,)
        audio = keras.Input(shape, dtype="float32", name="audio")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        log_mel = None
        x, mask = audio, padding_mask
        if front_end != "frames":
            log_mel = LogMel(
                sampling_rate,
                num_mel_bins=40 if front_end == "mfcc" else feature_dim,
                num_coefficients=feature_dim if front_end == "mfcc" else None,
                frame_length=sampling_rate // 40,
                frame_step=sampling_rate // 100,
                min_frequency=min_frequency,
                mean_normalization=mean_normalization,
                root_compression=root_compression,
                deltas=deltas,
                name="front_end",
            )
            x, mask = log_mel(audio, padding_mask)
        normalization = keras.layers.Normalization(dtype="float32", name="normalization")
        x = normalization(x)
        x = FrameAugmentation(noise, shift, frame_dropout, dtype=dtype, name="augmentation")(x)
        x = recurrent_stack(
            x,
            mask,
            architecture=architecture,
            bidirectional=bidirectional,
            units=units,
            num_layers=num_layers,
            dropout=dropout,
            dtype=dtype,
            name="encoder",
        )
        super().__init__(
            inputs={"audio": audio, "padding_mask": padding_mask},
            outputs={"sequence": x, "padding_mask": mask},
            dtype=dtype,
            **kwargs,
        )
        self.log_mel = log_mel
        self.normalization = normalization
        self.architecture = architecture
        self.bidirectional = bidirectional
        self.front_end = front_end
        self.feature_dim = feature_dim
        self.sampling_rate = sampling_rate
        self.units = units
        self.num_layers = num_layers
        self.dropout = dropout
        self.noise = noise
        self.shift = shift
        self.frame_dropout = frame_dropout
        self.min_frequency = min_frequency
        self.mean_normalization = mean_normalization
        self.root_compression = root_compression
        self.deltas = deltas

    def adapt(self, clips: Sequence[np.ndarray]) -> None:
        """Computes the mean and variance of the features.

        Args:
            clips: list of float arrays, `[frames, feature_dim]` or `[samples]`.
        """
        if self.log_mel is not None:
            clips = sorted(clips, key=len)  # batches of similar length need little padding
            batches = [clips[start : start + 64] for start in range(0, len(clips), 64)]
            clips = [self._frames(batch) for batch in batches]
        self.normalization.adapt(np.concatenate(clips)[None])

    def _frames(self, clips):
        """The front end's features of waveforms, concatenated: `[frames, features]`."""
        lengths = np.array([len(clip) for clip in clips])
        audio = keras.utils.pad_sequences(clips, padding="post", dtype="float32")
        features, mask = self.log_mel(audio, np.arange(audio.shape[1]) < lengths[:, None])
        return ops.convert_to_numpy(features)[ops.convert_to_numpy(mask)]

    def stream_obstacle(self) -> str | None:
        return super().stream_obstacle() or (self.log_mel and self.log_mel.stream_obstacle())

    def continued(
        self, piece: tuple[Tensor, Tensor], states: list[list[Tensor]]
    ) -> tuple[Tensor, Any]:
        """As `RecurrentBackbone.continued`; a piece is what `Windows.read` returns, with a batch
        axis ahead of the window."""
        window, span = piece
        frames = window if self.log_mel is None else self.log_mel.frames_of(window, span)
        return self.continue_layers(self.normalization(frames), states)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "architecture": self.architecture,
            "bidirectional": self.bidirectional,
            "front_end": self.front_end,
            "feature_dim": self.feature_dim,
            "sampling_rate": self.sampling_rate,
            "units": self.units,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "noise": self.noise,
            "shift": self.shift,
            "frame_dropout": self.frame_dropout,
            "min_frequency": self.min_frequency,
            "mean_normalization": self.mean_normalization,
            "root_compression": self.root_compression,
            "deltas": self.deltas,
        }
