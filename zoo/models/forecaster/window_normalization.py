"""Layer: normalises each window of a time series by its own level and standard deviation."""

from typing import Any, Literal

import keras
from keras import ops

from zoo.typing import Shape, Tensor

METHODS = ("last", "standard", "difference")
CONSTANT = 1e-5  # a smaller standard deviation, relative to the largest value, is rounding error


@keras.saving.register_keras_serializable(package="zoo")
class WindowNormalization(keras.layers.Layer):
    """Subtracts a level from each window, divides it by its standard deviation, and can undo both.

    A forecast that is restored this way follows the level and the unit of its window (T. Kim et
    al., "Reversible Instance Normalization for Accurate Time-Series Forecasting against
    Distribution Shift", 2022). A constant window is restored to its level.

    Args:
        method: `"standard"` subtracts the mean, `"last"` the last value. `"difference"` subtracts
            the last value and doesn't divide, for series of one unit and size (A. Zeng et al., "Are
            Transformers Effective for Time Series Forecasting?", 2023).
        log: bool, whether windows of positive values are replaced by their logarithms first, so
            that changes are relative.

    Call arguments:
        series: float `[batch, time]`.
        mask: bool `[batch, time]`, False at padding; the last step is never padding.

    Returns:
        A tuple of the normalised windows, `[batch, time]`, 0 at padding, and their statistics,
        `[batch, 3]`: level, standard deviation, and 1 if the logarithm was taken.
    """

    def __init__(
        self,
        method: Literal["last", "standard", "difference"] = "standard",
        log: bool = False,
        **kwargs: Any,
    ) -> None:
        if method not in METHODS:
            raise ValueError(f"`method` must be one of {METHODS}. Received: {method!r}")
        super().__init__(**kwargs)
        self.method = method
        self.log = log

    def build(self, series_shape: Shape, mask_shape: Shape | None = None) -> None:
        self.built = True

    def call(self, series: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        valid = ops.cast(mask, series.dtype)
        is_log = ops.zeros_like(series[:, :1])
        if self.log:
            is_positive = ops.all(ops.logical_or(series > 0, ops.logical_not(mask)), axis=1)
            is_log = ops.cast(is_positive, series.dtype)[:, None]
            # The unused logarithm must be finite too, or its gradient is NaN.
            logarithms = ops.log(ops.where(series > 0, series, ops.ones_like(series)))
            series = is_log * logarithms + (1 - is_log) * series
        count = ops.maximum(ops.sum(valid, axis=1, keepdims=True), 1)
        mean = ops.sum(series * valid, axis=1, keepdims=True) / count
        variance = ops.sum(ops.square((series - mean) * valid), axis=1, keepdims=True) / count
        largest = ops.max(ops.abs(series) * valid, axis=1, keepdims=True)
        varies = variance > ops.square(CONSTANT * largest)
        if self.method == "difference":
            variance, varies = ops.ones_like(variance), ops.ones_like(varies)
        deviation = ops.where(varies, ops.sqrt(ops.where(varies, variance, 1.0)), 0.0)
        level = mean if self.method == "standard" else series[:, -1:]
        normalized = (series - level) * valid / ops.where(varies, deviation, 1.0)
        return normalized, ops.concatenate([level, deviation, is_log], axis=1)

    def restore(self, values: Tensor, statistics: Tensor) -> Tensor:
        """Values in the unit of the windows.

        Args:
            values: float `[batch, horizon]` or `[batch, horizon, quantiles]`, normalised.
            statistics: float `[batch, 3]`, as `call` returns them.
        """
        axes = (slice(None), *(None,) * (len(values.shape) - 1))
        level, deviation, is_log = (statistics[:, index][axes] for index in range(3))
        # In this order: Keras would mistake a level `[n, 1, 1]` that is added to `[n, horizon, n]`
        # for a bias of the last axis.
        values = level + values * deviation
        if not self.log:
            return values
        # Far beyond any growth within a horizon, and still finite.
        powers = ops.exp(ops.where(is_log > 0, ops.clip(values, -80.0, 80.0), 0.0))
        return is_log * powers + (1 - is_log) * values

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "method": self.method, "log": self.log}
