"""Backbone: a recurrent encoder of the segments of a window of past values."""

from typing import Any, Literal

import keras
from keras import ops

from zoo.models.backbone import Backbone
from zoo.models.forecaster.window_normalization import WindowNormalization
from zoo.models.pooling import SequencePooling
from zoo.models.recurrent_stack import recurrent_stack
from zoo.typing import DType, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class ForecastBackbone(Backbone):
    """Normalises a window, cuts it into segments, embeds each, and reads them in order.

    With segments of one season, such as 24 hours, a recurrent layer takes a step per season instead
    of one per value (compare S. Lin et al., "SegRNN: Segment Recurrent Neural Network for Long-Term
    Time Series Forecasting", 2023).

    Args:
        architecture: str, a name of `zoo.layers.architectures`, such as `"gru"`.
        lookback: int, values of a window, a multiple of `segment`.
        segment: int, values of a segment.
        units: int, units of the embedding, and of each recurrent layer and direction.
        num_layers: int, number of recurrent layers.
        dropout: float, dropout rate on the embedded segments, between layers and of the state.
        normalization, log: see `WindowNormalization`, its `method` and `log`.
        dtype: dtype or dtype policy of the layers between input and output.

    Call arguments:
        inputs: dict with `"series"`, float32 `[batch, lookback]`, and `"padding_mask"`, bool
            `[batch, lookback]`, False at padding, which comes before the values.

    Returns:
        A dict of `"state"`, float `[batch, units]` (twice as wide if the architecture reads both
        directions), the output at the last segment; `"window"`, float32 `[batch, lookback]`, the
        normalised window; and `"statistics"`, float32 `[batch, 3]`, which `restore` takes.
    """

    def __init__(
        self,
        architecture: str,
        lookback: int,
        segment: int,
        units: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        normalization: Literal["last", "standard", "difference"] = "standard",
        log: bool = False,
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if segment < 1 or lookback < segment or lookback % segment:
            raise ValueError(
                "`lookback` must be a positive multiple of `segment`. Received: "
                f"lookback={lookback}, segment={segment}"
            )
        series = keras.Input((lookback,), dtype="float32", name="series")
        padding_mask = keras.Input((lookback,), dtype="bool", name="padding_mask")
        normalize = WindowNormalization(
            normalization, log=log, dtype="float32", name="normalization"
        )
        window, statistics = normalize(series, padding_mask)
        segments = keras.layers.Reshape((lookback // segment, segment), name="segments")(window)
        # A segment counts if it has any value.
        mask = ops.any(ops.reshape(padding_mask, (-1, lookback // segment, segment)), axis=2)
        x = keras.layers.Dense(units, activation="relu", dtype=dtype, name="embedding")(segments)
        x = keras.layers.Dropout(dropout, dtype=dtype, name="embedding_dropout")(x)
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
            timescale=max(lookback // segment, 3),
        )
        state = SequencePooling("last", dtype=dtype, name="state")(x, mask)
        state = keras.layers.Dropout(dropout, dtype=dtype, name="state_dropout")(state)
        super().__init__(
            inputs={"series": series, "padding_mask": padding_mask},
            outputs={"state": state, "window": window, "statistics": statistics},
            dtype=dtype,
            **kwargs,
        )
        self.architecture = architecture
        self.lookback = lookback
        self.segment = segment
        self.units = units
        self.num_layers = num_layers
        self.dropout = dropout
        self.normalization = normalization
        self.log = log

    def restore(self, values: Tensor, statistics: Tensor) -> Tensor:
        """Normalised values in the unit of the series; see `WindowNormalization.restore`."""
        return self.get_layer("normalization").restore(values, statistics)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "architecture": self.architecture,
            "lookback": self.lookback,
            "segment": self.segment,
            "units": self.units,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "normalization": self.normalization,
            "log": self.log,
        }
