"""Base class of models that forecast: series in, the next values and their quantiles out."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.eager_preprocessing import EagerPreprocessing
from zoo.models.forecaster.forecast import Forecast
from zoo.models.forecaster.forecasts import Forecasts
from zoo.models.forecaster.pinball_loss import PinballLoss
from zoo.models.forecaster.quantile_spread import MEDIAN
from zoo.models.protocol import InputError, InputSchema, TaskModel
from zoo.series_files import next_times, read_series
from zoo.typing import Tensor

LOSSES = ("mae", "mse")


class ForecastingTask(EagerPreprocessing, TaskModel):
    """Past values of series in, the next `horizon` values out.

    A mixin before a `keras_hub.models.Task` with a `ForecastPreprocessor`. Its output is float32
    `[batch, horizon]`, or `[batch, horizon, quantiles]` if it has quantiles. `fit` takes a list of
    float arrays `[time]` and the next values, float `[len(x), horizon]`.

    A network whose normalization is `"difference"` expects series with standard deviation 1. Each
    raw series is divided by the standard deviation of all its values, and its forecast multiplied
    by it.

    Args:
        backbone: the task's backbone.
        outputs: float32 tensor, the output.
        horizon: int, the number of values to forecast.
        frequency: str or None, the time between values, such as `"h"`, `"D"` or `"MS"` (the names
            of pandas).
        quantiles: list of float, the quantiles that it forecasts, with the median, 0.5, among them;
            empty if it forecasts only points.
        loss: `"mae"` or `"mse"`, the loss of a model without quantiles; with quantiles it is the
            `PinballLoss`.
        preprocessor: `ForecastPreprocessor`, or None to pass windows yourself.
    """

    task_kind = "forecasting"
    output_name = "forecast"
    combination = "median"

    def __init__(
        self,
        backbone: keras_hub.models.Backbone,
        outputs: Tensor,
        horizon: int,
        frequency: str | None = None,
        quantiles: Sequence[float] = (),
        loss: Literal["mae", "mse"] = "mae",
        preprocessor: keras_hub.models.Preprocessor | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.horizon = horizon
        self.frequency = frequency
        self.quantiles = [float(quantile) for quantile in quantiles]
        self.point_loss = loss
        super().__init__(inputs=backbone.input, outputs=outputs, **kwargs)

    @property
    def period(self) -> int | None:
        """Length of a season, an int, such as 12 for months; None without a preprocessor."""
        return self.preprocessor and self.preprocessor.period

    @property
    def lookback(self) -> int:
        """Past values that a forecast depends on, an int."""
        return self.members[0].backbone.lookback

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = "auto",
        *,
        metrics: Any = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.compile`; "auto" is the loss of the arguments, and the mean absolute
        error of the point forecast, named `mae`."""
        if loss == "auto":
            losses = {"mae": "mean_absolute_error", "mse": "mean_squared_error"}
            loss = PinballLoss(self.quantiles) if self.quantiles else losses[self.point_loss]
        if metrics == "auto":
            metrics = [PointError(self._median)]
        keras.Model.compile(self, optimizer=optimizer, loss=loss, metrics=metrics, **kwargs)

    @property
    def _median(self):
        """The index of the median in the output's last axis, or None without quantiles."""
        return self.quantiles.index(MEDIAN) if self.quantiles else None

    def predict(
        self,
        x: Any,
        quantiles: Sequence[float] | None = None,
        batch_size: int = 256,
        scale: float | None = None,
        **kwargs: Any,
    ) -> np.ndarray:
        """The next values of each series.

        Args:
            x: list of float arrays `[time]`, or `[time, features]` with the same number of
                features, of any length from 1; each feature is a separate series. NaN is a missing
                value. Without a preprocessor, whatever `keras.Model.predict` takes.
            quantiles: list of float, quantiles of each value to forecast instead of the point, for
                a model that was trained with quantiles. Those between trained ones are
                interpolated.
            batch_size: int.
            scale: float, the standard deviation of every series, for a network that expects series
                with standard deviation 1; by default, that of each series' values.
            **kwargs: arguments of `keras.Model.predict`, ignored with a preprocessor.

        Returns:
            float32 array `[len(x), horizon]` or `[len(x), horizon, features]`, in the order of `x`;
            with `quantiles`, there is one more axis for them at the end, and they never cross. The
            point is the median, or for a model trained with the squared error the mean.

        Raises:
            ValueError: a series is empty, has the wrong shape or holds infinity; or the model can't
                forecast a quantile; or the scale isn't positive.
        """
        if quantiles is not None:
            self._check(quantiles)
        if scale is not None and not 0 < scale < np.inf:
            raise ValueError(f"`scale` must be a positive number. Received: {scale!r}")
        if self.preprocessor is None:
            return super().predict(x, batch_size=batch_size, **kwargs)
        arrays, features = _series(x)
        columns = [column for array in arrays for column in (array.T if features else [array])]
        outputs = np.zeros((len(columns), *self.output_shape[1:]), "float32")
        for start in range(0, len(columns), batch_size):
            chosen = slice(start, start + batch_size)
            scaled, scales = self._scaled(columns[chosen], scale)
            scaled = self.predict_on_batch(scaled)
            outputs[chosen] = scaled * _along_rows(scales, scaled)
        if quantiles is not None:
            outputs = self._at(outputs, quantiles)
        elif self.quantiles:
            outputs = outputs[..., self._median]
        if features is None:
            return outputs
        outputs = outputs.reshape((len(arrays), features, *outputs.shape[1:]))
        return np.moveaxis(outputs, 1, 2)

    def _scaled(self, series, scale=None):
        """Series as the network reads them, and the scales that divided them, `[len(series)]`."""
        if self.members[0].backbone.normalization != "difference":
            return series, np.ones(len(series), "float32")
        deviations = [_deviation(one) if scale is None else scale for one in series]
        scaled = [np.asarray(one) / size for one, size in zip(series, deviations, strict=True)]
        return scaled, np.array(deviations, "float32")

    def _preprocessed(self, x, y=None, sample_weight=None):
        x, scales = self._scaled(x)
        if y is not None:
            y = np.asarray(y) / _along_rows(scales, y)
        return super()._preprocessed(x, y, sample_weight)

    def gate_inputs(self, input: Any) -> dict[str, Tensor]:
        return super().gate_inputs(self._scaled([input])[0][0])

    def _check(self, quantiles):
        if not self.quantiles:
            raise ValueError(
                "This model only forecasts points: it was trained without quantiles. Leave out "
                f"`quantiles`. Received: {list(quantiles)}"
            )
        low, high = min(self.quantiles), max(self.quantiles)
        for quantile in quantiles:
            if not low <= quantile <= high:
                raise ValueError(
                    f"This model forecasts the quantiles from {low} to {high}. Received: {quantile}"
                )

    def _at(self, outputs, quantiles):
        """Interpolates quantiles `[..., len(quantiles)]` from the trained ones.

        From the median outwards, none crosses the one before it; so the point stays as it is.
        """
        known = np.sort(self.quantiles)
        outputs = outputs[..., np.argsort(self.quantiles)]
        middle = int(np.searchsorted(known, MEDIAN))
        above = np.maximum.accumulate(outputs[..., middle:], axis=-1)
        below = np.minimum.accumulate(outputs[..., middle::-1], axis=-1)[..., ::-1]
        outputs = np.concatenate([below[..., :-1], above], axis=-1)
        # The position of each quantile, whole for a trained one.
        places = np.interp(quantiles, known, np.arange(len(known)))
        left = np.floor(places).astype(int)
        right = np.minimum(left + 1, len(known) - 1)
        fraction = (places - left).astype("float32")
        return outputs[..., left] * (1 - fraction) + outputs[..., right] * fraction

    # Raw input and answers

    @property
    def input_schema(self) -> InputSchema:
        return InputSchema("series", "float32", rank=1)

    def read_input(self, argument: str) -> np.ndarray:
        """Reads the one series of a CSV file; see `zoo.series_files.read_series`."""
        found = read_series(argument)
        if len(found) > 1:
            raise ValueError(
                f"{argument} holds {len(found)} series, and one input is one series. `zoo "
                "forecast` takes them all."
            )
        return found[0].values.astype("float32")

    def answers(self, inputs: Sequence[np.ndarray]) -> list[dict[str, Any]]:
        """The forecast of each series.

        Args:
            inputs: list of float arrays `[time]`.

        Returns:
            A list of dicts `{"forecast": [float], "quantiles": {"0.1": [float]}}`, in the order of
            `inputs`; `"quantiles"` is empty if the model has none.
        """
        inputs = self.input_schema.parse_all(inputs)
        if not inputs:
            return []
        wanted = self.quantiles or None
        outputs = self.predict(inputs, quantiles=wanted)
        if wanted is None:
            return [{"forecast": row.tolist(), "quantiles": {}} for row in outputs]
        return [
            {
                "forecast": row[:, self._median].tolist(),
                "quantiles": {
                    f"{quantile:g}": row[:, index].tolist() for index, quantile in enumerate(wanted)
                },
            }
            for row in outputs
        ]

    def answer_text(self, answer: dict[str, Any]) -> str:
        return ", ".join(f"{value:.6g}" for value in answer["forecast"])

    def forecast_file(
        self, path: str, horizon: int | None = None, quantiles: Sequence[float] | None = None
    ) -> Forecasts:
        """Forecasts each series of a CSV file; see `zoo.series_files.read_series`.

        Args:
            path: str.
            horizon: int, the number of values, up to the model's `horizon`, which is the default.
            quantiles: list of float; by default the model's.

        Returns:
            `Forecasts`.

        Raises:
            OSError: the file can't be read.
            ValueError: the file holds no series, or one that can't be forecast; or the model can't
                forecast that horizon or a quantile.
        """
        horizon = self.horizon if horizon is None else horizon
        if not 1 <= horizon <= self.horizon:
            raise ValueError(
                f"This model forecasts 1 to {self.horizon} values. Received: horizon={horizon}"
            )
        found = read_series(path)
        times = [next_times(one, horizon, self.frequency, path) for one in found]
        wanted = list(self.quantiles if quantiles is None else quantiles)
        inputs = [one.values for one in found]
        points = self.predict(inputs)[:, :horizon]
        bands = np.zeros((len(found), horizon, 0), "float32")
        if wanted:
            bands = self.predict(inputs, quantiles=wanted)[:, :horizon]
        return Forecasts(
            [
                Forecast(one, times[row], points[row], dict(zip(wanted, bands[row].T, strict=True)))
                for row, one in enumerate(found)
            ]
        )

    # Streams, export and ensembles

    def stream_obstacle(self) -> str | None:
        return (
            "A forecaster normalises each window by its own values, so every new value changes all "
            "of them, and there is no state to keep. Use predict with the last values."
        )

    @property
    def default_length(self) -> int:
        """The lookback, which the network's input always has."""
        return self.lookback

    def shared_by_members(self) -> dict[str, Any]:
        return {
            **super().shared_by_members(),
            "horizon": self.horizon,
            "lookback": self.lookback,
            "quantiles": self.quantiles,
            "frequency": self.frequency,
            "period": self.period,
        }

    def ensemble_options(self) -> dict[str, Any]:
        return {
            **super().ensemble_options(),
            "horizon": self.horizon,
            "frequency": self.frequency,
            "quantiles": self.quantiles,
            "loss": self.point_loss,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "horizon": self.horizon,
            "frequency": self.frequency,
            "quantiles": self.quantiles,
            "loss": self.point_loss,
        }


@keras.saving.register_keras_serializable(package="zoo")
class PointError(keras.metrics.Mean):
    """The mean absolute error of the point forecast.

    Args:
        median: int or None, the index of the point in the forecast's last axis.
        name: str.
    """

    def __init__(self, median: int | None = None, name: str = "mae", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.median = median

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Any = None) -> None:
        point = y_pred if self.median is None else y_pred[..., self.median]
        error = ops.abs(ops.cast(y_true, point.dtype) - point)
        super().update_state(ops.mean(error, axis=-1), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "median": self.median}


def check_quantiles(quantiles: Sequence[float]) -> None:
    """Raises ValueError unless quantiles are distinct numbers between 0 and 1 with the median."""
    if quantiles and (
        MEDIAN not in quantiles
        or len(set(quantiles)) < len(quantiles)
        or not all(0 < quantile < 1 for quantile in quantiles)
    ):
        raise ValueError(
            "`quantiles` must be distinct numbers between 0 and 1, 0.5 among them. Received: "
            f"{list(quantiles)}"
        )


def _along_rows(numbers, array):
    """One number for each row of an array, in a shape that broadcasts with it."""
    return numbers.reshape((-1, *(1,) * (np.ndim(array) - 1)))


def _deviation(series):
    """The standard deviation of a series' values, a float; 1 for a constant series."""
    values = np.asarray(series, "float64")
    values = values[np.isfinite(values)]
    return float(values.std() or 1.0) if values.size else 1.0


def _series(x):
    """The series as a list of arrays, and their number of features, or None for `[time]`."""
    is_batch = isinstance(x, (list, tuple)) or getattr(x, "ndim", 0) >= 2
    if not is_batch:
        raise InputError(
            "`predict` takes a list of series, float arrays [time] or [time, features]. Received: "
            f"{type(x).__name__}{getattr(x, 'shape', '')}; put one series into a list"
        )
    try:
        arrays = [np.asarray(one, "float64") for one in x]
    except (TypeError, ValueError) as error:
        raise InputError(f"A series must be an array of numbers: {error}") from error
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1 or any(len(shape) > 1 for shape in shapes):
        raise InputError(
            "Series must have the shape [time], or all [time, features] with the same features. "
            f"Received: shapes {sorted({array.shape for array in arrays})[:3]}"
        )
    if any(array.ndim == 0 for array in arrays):
        raise InputError("A series is an array. Received a number; put one series into a list.")
    shape = next(iter(shapes), ())
    return arrays, (shape[0] if shape else None)
