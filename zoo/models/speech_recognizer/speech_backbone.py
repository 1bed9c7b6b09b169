"""Speech backbone: deltas, normalisation, subsampled frames and recurrent layers."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from zoo.models.audio.feature_masking import FeatureMasking
from zoo.models.audio.features import SLOPE_REACH, slopes
from zoo.models.audio.frame_augmentation import FrameAugmentation
from zoo.models.audio.utterance_normalization import UtteranceNormalization
from zoo.models.recurrent_stack import RecurrentBackbone, recurrent_stack
from zoo.typing import DType, Shape, Tensor

ORDERS = 3  # values, deltas, and deltas of deltas
NORMALIZATIONS = ("utterance", "running")
SUBSAMPLINGS = ("stack", "convolution")


@keras.saving.register_keras_serializable(package="zoo")
class Slopes(keras.layers.Layer):
    """Appends to features their deltas and delta-deltas, slopes over time (S. Furui 1986).

    Call arguments:
        features: float tensor `[batch, frames, features]`.
        padding_mask: bool tensor `[batch, frames]`, False at padding.

    Returns:
        A float tensor `[batch, frames, 3 * features]`.

    Attributes:
        reach: int, frames before and after a frame that its slopes depend on.
    """

    reach = SLOPE_REACH * (ORDERS - 1)

    def build(self, features_shape: Shape, padding_mask_shape: Shape | None = None) -> None:
        self.built = True

    def call(self, features: Tensor, padding_mask: Tensor) -> Tensor:
        orders = [features]
        for _ in range(ORDERS - 1):
            orders.append(slopes(orders[-1], padding_mask))
        return ops.concatenate(orders, axis=-1)

    def compute_output_shape(
        self,
        features_shape: tuple[int | None, int | None, int],
        padding_mask_shape: Shape | None = None,
    ) -> Shape:
        return (*features_shape[:-1], ORDERS * features_shape[-1])


@keras.saving.register_keras_serializable(package="zoo")
class FrameStacking(keras.layers.Layer):
    """Concatenates groups of successive frames into one step each, so that the recurrent layers
    take fewer steps.

    The last group is padded with zeros. A step is padding if its first frame is.

    Args:
        size: int, frames per step.

    Call arguments:
        features: float tensor `[batch, frames, features]`, 0 at padding.
        padding_mask: bool tensor `[batch, frames]`.

    Returns:
        `(steps, padding_mask)`: float `[batch, steps, size * features]`, bool `[batch, steps]`.
    """

    def __init__(self, size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size

    def build(self, features_shape: Shape, padding_mask_shape: Shape | None = None) -> None:
        self.built = True

    def call(self, features: Tensor, padding_mask: Tensor) -> tuple[Tensor, Tensor]:
        batch, frames, width = ops.shape(features)
        missing = -frames % self.size
        features = ops.pad(features, [[0, 0], [0, missing], [0, 0]])
        steps = ops.reshape(features, (batch, (frames + missing) // self.size, self.size * width))
        return steps, padding_mask[:, :: self.size]

    def compute_output_shape(
        self,
        features_shape: tuple[int | None, int | None, int],
        padding_mask_shape: Shape | None = None,
    ) -> tuple[Shape, Shape]:
        batch, frames, width = features_shape
        steps = None if frames is None else -(-frames // self.size)
        return (batch, steps, self.size * width), (batch, steps)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="zoo")
class SpeechBackbone(RecurrentBackbone):
    """Encodes frames of features, such as cepstra, with recurrent layers.

    Args:
        architecture: str, a name of `zoo.layers.architectures`, such as `"bilstm"`.
        feature_dim: int, features per frame.
        units: int, units of each recurrent layer and direction.
        num_layers: int, number of recurrent layers.
        stack: int, frames that are combined into one step.
        subsampling: `"stack"` concatenates the frames of a step. `"convolution"` convolves them and
            those of the step before, with `units` filters and a ReLU.
        normalization: `"utterance"` or `"running"`, see `UtteranceNormalization`.
        dropout: float, dropout rate between layers.
        noise: see `FrameAugmentation`.
        time_masks, time_width, feature_masks, feature_width: see `FeatureMasking`.
        dtype: dtype or dtype policy of the layers; deltas and normalisation are float32.

    Call arguments:
        inputs: dict with `"frames"`, float32 `[batch, frames, feature_dim]`, and
            `"padding_mask"`, bool `[batch, frames]`, False at padding.

    Returns:
        A dict of `"sequence"`, float `[batch, steps, units]` (twice as wide if both directions are
        read), and `"padding_mask"`, bool `[batch, steps]`.
    """

    def __init__(
        self,
        architecture: str,
        feature_dim: int = 13,
        units: int = 128,
        num_layers: int = 2,
        stack: int = 3,
        subsampling: Literal["stack", "convolution"] = "stack",
        normalization: Literal["utterance", "running"] = "utterance",
        dropout: float = 0.0,
        noise: float = 0.0,
        time_masks: int = 0,
        time_width: int = 0,
        feature_masks: int = 0,
        feature_width: int = 0,
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"`normalization` must be one of {NORMALIZATIONS}. Received: "
                f"normalization={normalization!r}"
            )
        if subsampling not in SUBSAMPLINGS:
            raise ValueError(
                f"`subsampling` must be one of {SUBSAMPLINGS}. Received: "
                f"subsampling={subsampling!r}"
            )
        frames = keras.Input((None, feature_dim), dtype="float32", name="frames")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        append_slopes = Slopes(dtype="float32", name="slopes")
        normalize = UtteranceNormalization(
            normalization == "running", dtype="float32", name="normalization"
        )
        x = normalize(append_slopes(frames, padding_mask), padding_mask)
        x = FrameAugmentation(noise, dtype=dtype, name="augmentation")(x)
        x = FeatureMasking(
            time_masks,
            time_width,
            feature_masks,
            feature_width,
            copies=ORDERS,
            dtype=dtype,
            name="masking",
        )(x, padding_mask)
        stacking = FrameStacking(stack, dtype=dtype, name="stacking")
        x, mask = stacking(x, padding_mask)
        convolution = None
        if subsampling == "convolution":
            # Over steps of `stack` frames: over frames, its kernel is twice that wide.
            convolution = keras.layers.Conv1D(
                units, 2, padding="causal", activation="relu", dtype=dtype, name="convolution"
            )
            x = convolution(x)
        x = recurrent_stack(
            x,
            mask,
            architecture=architecture,
            bidirectional=False,
            units=units,
            num_layers=num_layers,
            dropout=dropout,
            dtype=dtype,
            name="encoder",
        )
        super().__init__(
            inputs={"frames": frames, "padding_mask": padding_mask},
            outputs={"sequence": x, "padding_mask": mask},
            dtype=dtype,
            **kwargs,
        )
        self.slopes = append_slopes
        self.normalize = normalize
        self.stacking = stacking
        self.convolution = convolution
        self.architecture = architecture
        self.feature_dim = feature_dim
        self.units = units
        self.num_layers = num_layers
        self.stack = stack
        self.subsampling = subsampling
        self.normalization = normalization
        self.dropout = dropout
        self.noise = noise
        self.time_masks = time_masks
        self.time_width = time_width
        self.feature_masks = feature_masks
        self.feature_width = feature_width

    def adapt(self, clips: Sequence[np.ndarray]) -> None:
        """Computes the mean and variance of the features, from which a running one begins.

        Args:
            clips: list of float arrays `[frames, feature_dim]`.
        """
        rows = []
        for clip in clips:
            mask = ops.ones((1, len(clip)), "bool")
            values = self.slopes(ops.convert_to_tensor(clip[None], "float32"), mask)
            rows.append(ops.convert_to_numpy(values)[0])
        self.normalize.adapt(rows)

    def stream_obstacle(self) -> str | None:
        if obstacle := super().stream_obstacle():
            return obstacle
        if self.normalization != "running":
            return (
                "This model normalises each sound by the mean and variance of all of its frames, "
                "so it needs the whole sound. Use a model with a running normalization."
            )
        return None

    def initial_states(self, batch_size: int) -> dict[str, Any]:
        """The states before the first frame: a dict of the `"sums"` of the running normalization;
        the step `"before"`, for a convolution; and those of the `"layers"`; all zero."""
        width = ORDERS * self.feature_dim
        return {
            "sums": self.normalize.initial_sums(batch_size, width),
            "before": ops.zeros((batch_size, 1, self.stack * width), self.compute_dtype),
            "layers": super().initial_states(batch_size),
        }

    def continued(
        self, piece: tuple[Tensor, Tensor], states: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Any]]:
        """As `RecurrentBackbone.continued`; a piece is what `Windows.read` returns, with a batch
        axis ahead of the window of frames, and a span of steps."""
        window, span = piece
        mask = ops.ones_like(window[..., 0], "bool")
        frames = slice(self.stack * span[0], self.stack * span[1])
        x, sums = self.normalize.continued(
            self.slopes(window, mask)[:, frames], mask[:, frames], states["sums"]
        )
        x, _ = self.stacking(x, mask[:, frames])
        before = states["before"]
        if self.convolution is not None:
            x, before = self.convolution(ops.concatenate([before, x], axis=1))[:, 1:], x[:, -1:]
        x, layers = self.continue_layers(x, states["layers"])
        return x, {"sums": sums, "before": before, "layers": layers}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "architecture": self.architecture,
            "feature_dim": self.feature_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "stack": self.stack,
            "subsampling": self.subsampling,
            "normalization": self.normalization,
            "dropout": self.dropout,
            "noise": self.noise,
            "time_masks": self.time_masks,
            "time_width": self.time_width,
            "feature_masks": self.feature_masks,
            "feature_width": self.feature_width,
        }
