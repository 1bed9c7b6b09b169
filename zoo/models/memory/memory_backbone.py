"""Backbone: a recurrent encoder of sequences of symbols or values."""

from typing import Any

import keras

from zoo.models.recurrent_stack import RecurrentBackbone, recurrent_stack
from zoo.typing import DType, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class MemoryBackbone(RecurrentBackbone):
    """Encodes a sequence with unidirectional recurrent layers, and nothing else.

    Args:
        architecture: str, a name of `zoo.layers.architectures`, such as `"lstm"`.
        feature_dim: int, features per step: the number of symbols, or of values.
        units: int, units of each recurrent layer.
        num_layers: int, number of recurrent layers.
        timescale: int or None, the longest dependency of the data in steps, for architectures with
            chrono initialization.
        dtype: dtype or dtype policy of the layers.

    Call arguments:
        inputs: dict with `"sequence"`, float32 `[batch, time, feature_dim]`, and `"padding_mask"`,
            bool `[batch, time]`, False at padding.

    Returns:
        A dict of `"sequence"`, float `[batch, time, units]`, and `"padding_mask"`, bool
        `[batch, time]`.
    """

    def __init__(
        self,
        architecture: str,
        feature_dim: int,
        units: int = 64,
        num_layers: int = 1,
        timescale: float | None = None,
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        sequence = keras.Input((None, feature_dim), dtype="float32", name="sequence")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        x = recurrent_stack(
            sequence,
            padding_mask,
            architecture=architecture,
            bidirectional=False,
            units=units,
            num_layers=num_layers,
            dropout=0.0,
            timescale=timescale,
            dtype=dtype,
            name="encoder",
        )
        super().__init__(
            inputs={"sequence": sequence, "padding_mask": padding_mask},
            outputs={"sequence": x, "padding_mask": padding_mask},
            dtype=dtype,
            **kwargs,
        )
        self.architecture = architecture
        self.feature_dim = feature_dim
        self.units = units
        self.num_layers = num_layers
        self.timescale = timescale

    def continued(self, sequence: Tensor, states: list[list[Tensor]]) -> tuple[Tensor, Any]:
        return self.continue_layers(sequence, states)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "architecture": self.architecture,
            "feature_dim": self.feature_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "timescale": self.timescale,
        }
