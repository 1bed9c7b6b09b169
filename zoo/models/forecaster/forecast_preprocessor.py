"""Preprocessor of the forecaster: series of any length in, a batch of windows out."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from zoo.models.forecaster.forecast_backbone import ForecastBackbone
from zoo.models.protocol import InputError
from zoo.typing import Shape


@keras.saving.register_keras_serializable(package="zoo")
class ForecastPreprocessor(keras_hub.models.Preprocessor):
    """Takes the last values of each series, and puts padding before shorter ones.

    A missing value, NaN, is replaced by the value one season before it, or by the last one in the
    first season. Missing values before the first value are padding.

    Args:
        lookback: int, values of a window.
        period: int, length of a season, such as 12 for months.

    Call arguments:
        x: list of float arrays `[time]` of any length.
        y: the next values, float `[batch, horizon]`, passed through.
        sample_weight: passed through.

    Returns:
        `x` as a dict of `"series"`, float32 `[batch, lookback]`, and `"padding_mask"`, bool
        `[batch, lookback]`; with `y` and `sample_weight` if given.

    Raises:
        InputError: a series is empty, has the wrong shape, has only NaN, or has a value that is
            infinite as float32.
    """

    backbone_cls = ForecastBackbone

    def __init__(self, lookback: int, period: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lookback = lookback
        self.period = period

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(self, x: Sequence[np.ndarray], y: Any = None, sample_weight: Any = None) -> Any:
        series = np.zeros((len(x), self.lookback), "float32")
        padding_mask = np.zeros(series.shape, bool)
        for row, one in enumerate(x):
            window = self._window(one)
            series[row, self.lookback - len(window) :] = window
            padding_mask[row, self.lookback - len(window) :] = True
        x = {"series": series, "padding_mask": padding_mask}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _window(self, series):
        values = np.array(series, "float64")
        if values.ndim != 1 or not len(values):
            raise InputError(
                "A series must have the shape [time], with one value or more. Received: "
                f"shape={values.shape}"
            )
        with np.errstate(over="ignore"):
            is_infinite = np.isinf(values.astype("float32"))
        if is_infinite.any():
            where = int(np.flatnonzero(is_infinite)[0])
            raise InputError(
                "A series' values must be finite; NaN stands for a missing one. Received: "
                f"{values[where]} at index {where}"
            )
        if np.isnan(values).all():
            raise InputError("A series needs at least one value that isn't NaN. Received none.")
        return self.fill(values)[-self.lookback :]

    def fill(self, values: np.ndarray) -> np.ndarray:
        """Replaces missing values, and drops those before the first value.

        Args:
            values: float array `[time]` with a value that isn't NaN.
        """
        missing = np.isnan(values)
        first = int(np.argmin(missing))
        values = np.array(values[first:])
        for index in np.flatnonzero(missing[first:]):
            values[index] = values[index - (self.period if index >= self.period else 1)]
        return values

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "lookback": self.lookback, "period": self.period}
