"""Forecasting: predicts the next values of series."""

import functools
import time
from typing import Literal

import numpy as np
import pydantic

from benchmarks import metrics, plots
from benchmarks.tasks.batches import Batches
from benchmarks.tasks.forecasting import measures, naive, theta
from benchmarks.tasks.forecasting.linear import SEASONS, STRENGTHS, Linear
from benchmarks.tasks.forecasting.windows import TrainingWindows, all_windows
from benchmarks.tasks.task import Baseline, Evaluation, Examples, ModelConfig, Task
from zoo import models
from zoo.datasets.errors import DatasetError
from zoo.models.forecaster.forecasting_task import LOSSES, check_quantiles
from zoo.models.forecaster.window_normalization import METHODS

FACTS = ("horizon", "period", "frequency", "metric")
SHOWN = 6  # forecasts in the figure
SEASONS_OF_EXAMPLE = 14


class Forecasting(Task):
    """Forecasts the dataset's feature `series` with a recurrent `Forecaster`.

    The dataset defines what is measured: `horizon`, `period` and `frequency` of its series, and the
    `metric`. A series of a split has its own values from `origin` on, preceded by its history.
    Every window with all its targets in the split is evaluated, and training draws windows of the
    training split alone.

    With the metric `mse`, series are scaled by the mean and standard deviation of their training
    split, as in the literature on long horizons; the other metrics are those of the M4 competition.
    In training, and for the validation metric, errors are divided by a scale of the window, so that
    they resemble the metric.
    """

    validation_metric = metrics.MAE
    feature = "series"
    supports = ("fit", "ensemble")
    baselines = ("baseline", "baseline_last", "baseline_theta", "baseline_linear")

    class Model(ModelConfig, frozen=True):
        lookback: pydantic.PositiveInt
        segment: pydantic.PositiveInt
        units: pydantic.PositiveInt
        num_layers: pydantic.PositiveInt = 1
        dropout: float = pydantic.Field(0.0, ge=0, lt=1)
        normalization: Literal[METHODS]
        log: bool = False
        seasons: tuple[pydantic.PositiveInt, ...] = ()
        # Left out of a configuration without it, so that runs older than it are found.
        linear: bool = pydantic.Field(False, exclude_if=lambda linear: not linear)
        quantiles: tuple[float, ...] = ()
        loss: Literal[LOSSES] = "mae"
        windows: pydantic.PositiveInt

        @pydantic.model_validator(mode="after")
        def _parts_fit(self):
            check_quantiles(self.quantiles)
            if self.lookback % self.segment:
                raise ValueError(
                    f"`lookback`, {self.lookback}, must be a multiple of `segment`, {self.segment}"
                )
            if any(season > self.lookback for season in self.seasons):
                raise ValueError(f"`seasons` must not exceed `lookback`, {self.lookback}")
            return self

    @functools.cached_property
    def facts(self):
        """The features that all series share, a dict.

        Raises:
            DatasetError: the dataset lacks one, or they differ, or the metric is unknown.
        """
        missing = [name for name in (*FACTS, "origin") if name not in self.features]
        if missing:
            raise DatasetError(
                f"forecasting needs the features {', '.join(FACTS)} and origin. Missing: "
                f"{', '.join(missing)}."
            )
        data = self.read("test")
        found = {name: set(data[name]) for name in FACTS}
        for name, values in found.items():
            if len(values) > 1:
                raise DatasetError(f"All series must have the same {name}. Received: {values}")
        facts = {name: values.pop() for name, values in found.items()}
        if facts["metric"] not in _SIGNATURES:
            raise DatasetError(
                f"The metric of forecasts must be one of {', '.join(_SIGNATURES)}. Received: "
                f"{facts['metric']!r}"
            )
        return facts

    @property
    def metric(self):
        return metrics.get(self.facts["metric"])

    @functools.cached_property
    def scaling(self):
        """The mean and standard deviation of each series, float arrays `[series]`, by its name."""
        data = self.read("train")
        is_scaled = self.facts["metric"] == "mse"
        scaling = {}
        for name, values in zip(data["id"], data["series"], strict=True):
            values = values.astype("float64")
            known = is_scaled and np.isfinite(values).any()
            mean, deviation = (np.nanmean(values), np.nanstd(values)) if known else (0.0, 1.0)
            scaling[name] = mean, deviation or 1.0
        return scaling

    def _series(self, split):
        """The scaled series of a split, and their origins."""
        data = self.read(split)
        series = []
        for name, values in zip(data["id"], data["series"], strict=True):
            mean, deviation = self.scaling.get(name, (0.0, 1.0))
            series.append((values.astype("float64") - mean) / deviation)
        return series, data["origin"]

    def read_examples(self, split):
        series, origins = self._series(split)
        if split == "train":
            return Examples(series, None)
        return all_windows(series, origins, self.facts["horizon"], split)

    def build(self, config):
        keys = config.model
        backbone = models.ForecastBackbone(
            config.architecture,
            lookback=keys.lookback,
            segment=keys.segment,
            units=keys.units,
            num_layers=keys.num_layers,
            dropout=keys.dropout,
            normalization=keys.normalization,
            log=keys.log,
        )
        return models.Forecaster(
            backbone,
            horizon=self.facts["horizon"],
            seasons=keys.seasons,
            linear=keys.linear,
            frequency=self.facts["frequency"] or None,
            quantiles=keys.quantiles,
            loss=keys.loss,
            preprocessor=models.ForecastPreprocessor(keys.lookback, self.facts["period"]),
        )

    def batches(self, model, examples, config, batch_size=32):
        preprocessor, horizon = model.preprocessor, self.facts["horizon"]
        if examples.targets is None:
            drawn = self.training_windows(preprocessor, config.model.lookback)

            def columns(chosen, generator):
                series, mask, targets = drawn.draw(
                    generator or np.random.default_rng(0), len(chosen)
                )
                return self._scaled({"series": series, "padding_mask": mask}, targets)

            examples = Examples([None] * config.model.windows, None)
        else:

            def columns(chosen, generator):
                x = preprocessor([examples.inputs[index] for index in chosen])
                # Keras' losses don't support missing targets: the value before is used instead.
                return self._scaled(x, _without_gaps(examples.targets[chosen]))

        return Batches(examples, columns, np.full(len(examples), horizon), batch_size)

    def training_windows(self, preprocessor, lookback):
        """The `TrainingWindows` of a lookback."""
        return TrainingWindows(
            self.examples("train").inputs,
            preprocessor.fill,
            lookback,
            self.facts["horizon"],
            least=2 * self.facts["period"],
        )

    def _scaled(self, x, targets):
        sizes = self.sizes(x["series"], x["padding_mask"])[:, None]
        series = (x["series"] / sizes).astype("float32")
        return {**x, "series": series}, (targets / sizes).astype("float32")

    def sizes(self, series, mask):
        """The scale by which errors of windows are divided in training, `[windows]`.

        Args:
            series: float array `[windows, lookback]`.
            mask: bool array `[windows, lookback]`, False at padding.
        """
        if self.facts["metric"] == "mse":
            return np.ones(len(series))
        period = self.facts["period"]
        level = _size(np.abs(series[:, -period:]), mask[:, -period:])
        if self.facts["metric"] == "smape":
            return level
        differences = np.abs(series[:, period:] - series[:, :-period])
        seasonal = _size(differences, mask[:, :-period], level)
        if self.facts["metric"] == "mase":
            return seasonal
        smapes, mases = self._of_naive2("validation")
        return 1 / (100 / level / smapes.mean() + 1 / seasonal / mases.mean())

    def evaluate(self, model, config):
        test = self.examples("test")
        if not model.quantiles:
            return self.evaluation(model.predict(test.inputs, scale=1.0))
        bands = model.predict(test.inputs, quantiles=sorted(model.quantiles), scale=1.0)
        quantiles = {q: bands[..., k] for k, q in enumerate(sorted(model.quantiles))}
        return self.evaluation(quantiles[0.5], quantiles)

    def evaluation(self, forecasts, quantiles=None):
        """The `Evaluation` of forecasts of the test split, `[windows, horizon]`, and of their
        quantiles, a dict from a quantile to an array of that shape."""
        test = self.examples("test")
        details, statistic, columns, block = self._measured(test, forecasts.astype("float64"))
        if quantiles and len(quantiles) > 1:
            low, high = min(quantiles), max(quantiles)
            is_inside = (quantiles[low] <= test.targets) & (test.targets <= quantiles[high])
            known = np.isfinite(test.targets)
            details[f"coverage_{low:g}_{high:g}"] = float(is_inside[known].mean())
        return Evaluation(
            value=statistic(*columns),
            interval=measures.bootstrap(statistic, *columns, block=block),
            signature=_SIGNATURES[self.facts["metric"]].format(
                windows=len(test), series=len(set(test.rows)), **self.facts
            ),
            details=details,
            figures={"forecasts": self._figure(test, forecasts, quantiles or {})},
        )

    def _measured(self, test, forecasts):
        """Details, and the metric as a function of arrays of examples, those arrays, and the size
        of the blocks in which they depend on each other."""
        metric = self.facts["metric"]
        if metric == "mse":
            errors = test.targets - forecasts
            squared, absolute = np.nanmean(errors**2, axis=1), np.nanmean(np.abs(errors), axis=1)
            # Windows that start at the same time, of all series.
            starts = np.concatenate([np.arange(count) for count in np.bincount(test.rows) if count])
            of_start = np.bincount(starts, squared) / np.bincount(starts)
            details = {"mae": float(absolute.mean())}
            statistic = lambda means, counts: float(np.average(means, weights=counts))
            return details, statistic, (of_start, np.bincount(starts)), self.facts["horizon"]
        smapes = measures.smape(test.targets, forecasts)
        mases = measures.mase(test.targets, forecasts, self._seasonal_errors("test"))
        values = {"smape": smapes, "mase": mases}
        details = {name: float(value.mean()) for name, value in values.items() if name != metric}
        # Windows of a series depend on each other.
        block = int(np.bincount(test.rows).max())
        mean = lambda column: float(column.mean())
        if metric != "owa":
            return details, mean, (values[metric],), block
        return details, measures.owa, (smapes, mases, *self._of_naive2("test")), block

    @functools.cache  # noqa: B019 - a task lives as long as the program
    def _of_naive2(self, split):
        """The sMAPE and MASE of each window of a split by Naive2."""
        windows = self.examples(split)
        forecasts = self._forecasts(naive.naive2, windows)
        errors = self._seasonal_errors(split)
        return (
            measures.smape(windows.targets, forecasts),
            measures.mase(windows.targets, forecasts, errors),
        )

    @functools.cache  # noqa: B019 - a task lives as long as the program
    def _seasonal_errors(self, split):
        windows = self.examples(split)
        period = self.facts["period"]
        return np.array([measures.seasonal_error(values, period) for values in windows.inputs])

    def _forecasts(self, method, windows):
        """The forecasts of a function like `naive.last`."""
        fill = models.ForecastPreprocessor(1, self.facts["period"]).fill
        period, horizon = self.facts["period"], self.facts["horizon"]
        return np.stack([method(fill(values), period, horizon) for values in windows.inputs])

    def _figure(self, test, forecasts, quantiles):
        places = np.linspace(0, len(test) - 1, min(SHOWN, len(test))).astype(int)
        names = self.read("test")["id"]
        shown = 4 * max(self.facts["horizon"], self.facts["period"])
        return plots.forecasts(
            {
                f"{names[test.rows[place]]}, window {place}": {
                    "history": test.inputs[place][-shown:],
                    "truth": test.targets[place],
                    "forecast": forecasts[place],
                    "bands": {q: values[place] for q, values in quantiles.items()},
                }
                for place in places
            }
        )

    # Baselines

    def baseline(self):
        """The last season, repeated."""
        return self._rule("the last season, repeated", naive.seasonal, 0)

    def baseline_last(self):
        """The last value, repeated."""
        return self._rule("the last value, repeated", naive.last, 0)

    def baseline_theta(self):
        """The Theta method, fitted to each series."""
        return self._rule("Theta, of each series", theta.forecast, theta.PARAMETERS)

    def _rule(self, name, method, parameters):
        start = time.perf_counter()
        forecasts = self._forecasts(method, self.examples("test"))
        seconds = time.perf_counter() - start
        return Baseline(name, seconds, parameters, self.evaluation(forecasts))

    def baseline_linear(self):
        """NLinear, fitted to all series; lookback and regularisation are chosen on validation."""
        start = time.perf_counter()
        best = None
        for lookback in dict.fromkeys(seasons * self.facts["period"] for seasons in SEASONS):
            preprocessor = models.ForecastPreprocessor(lookback, self.facts["period"])
            windows = self.training_windows(preprocessor, lookback)
            validation = self.examples("validation")
            x = preprocessor(validation.inputs)
            series, mask = x["series"].astype("float64"), x["padding_mask"]
            sizes = self.sizes(series, mask)[:, None]
            for strength in STRENGTHS:
                linear = Linear(windows, self.sizes, strength)
                off = np.abs(linear(series, mask) - validation.targets) / sizes
                error = np.nanmean(off**2 if self.facts["metric"] == "mse" else off)
                if best is None or error < best[0]:
                    best = error, linear, preprocessor
        seconds = time.perf_counter() - start
        _, linear, preprocessor = best
        x = preprocessor(self.examples("test").inputs)
        forecasts = linear(x["series"].astype("float64"), x["padding_mask"])
        name = f"NLinear by ridge regression, lookback {preprocessor.lookback}"
        return Baseline(name, seconds, linear.weights.size, self.evaluation(forecasts))

    # Inputs to show

    def example(self):
        """The end of a history of the validation split."""
        return self._history("validation")

    def plotted_input(self):
        return self._history("test")

    def _history(self, split):
        values = self.read(split)["series"][0][: max(1, int(self.read(split)["origin"][0]))]
        return values[-SEASONS_OF_EXAMPLE * self.facts["period"] :]


_SIGNATURES = {
    "mse": "MSE at horizon {horizon}, series scaled by their training split, every window of the "
    "test split ({windows} windows of {series} series), 95 % block bootstrap over time",
    "smape": "sMAPE of {windows} forecasts of {series} series at horizon {horizon}, 95 % bootstrap "
    "over series",
    "mase": "MASE of {windows} forecasts of {series} series at horizon {horizon}, 95 % bootstrap "
    "over series",
    "owa": "OWA of {windows} forecasts of {series} series at horizon {horizon}, relative to "
    "Naive2, 95 % bootstrap over series",
}


def _size(values, mask, default=None):
    """The mean of values `[windows, time]` where a mask is True; the default, or 1, where it is 0
    or there are none."""
    count = mask.sum(axis=1)
    mean = (values * mask).sum(axis=1) / np.maximum(count, 1)
    return np.where(mean > 0, mean, 1.0 if default is None else default)


def _without_gaps(targets):
    """Targets with each missing value replaced by the one before it, or the first known."""
    targets = targets.copy()
    for row in np.flatnonzero(~np.isfinite(targets).all(axis=1)):
        known = np.flatnonzero(np.isfinite(targets[row]))
        nearest = np.maximum(np.searchsorted(known, np.arange(targets.shape[1]), "right") - 1, 0)
        targets[row] = targets[row, known[nearest]]
    return targets
