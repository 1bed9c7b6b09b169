"""Metrics: name, direction, format, tolerance and interval, each registered in one line."""

import dataclasses
import difflib
import math
import statistics
from collections.abc import Callable

import numpy as np
import scipy.stats


@dataclasses.dataclass(frozen=True)
class Metric:
    """A measure of a model.

    Attributes:
        name: its name in MLflow, such as `"accuracy"` in `test/accuracy`.
        higher_is_better: bool.
        format: format specification of its values, such as `".3f"`.
        tolerance: largest accepted difference between a measured preset and its card.
        interval: function from the values of all examples to their 95 % confidence interval
            `(low, high)`, or None if the library that computes the metric returns one.
        center: function from the values of all seeds to the one in tables.
        spread: function from the values of all seeds to the number after ±, or to None.
        best: the best possible value, None if there is none.
    """

    name: str
    higher_is_better: bool
    format: str
    tolerance: float
    interval: Callable | None = None
    center: Callable = statistics.fmean
    spread: Callable = statistics.stdev
    best: float | None = None

    def text(self, value):
        """Formats a value for tables."""
        return format(value, self.format)

    def is_better(self, value, other):
        """Whether a value is strictly better than another."""
        return value > other if self.higher_is_better else value < other

    def reaches(self, value, target):
        """Whether a value is at least as good as a target."""
        return value == target or self.is_better(value, target)

    def score(self, value, reference):
        """The fraction of a reference's error that a value avoids: 1 if it is perfect, 0 if it is
        as good as the reference, negative if it is worse.

        Returns:
            float; None if the metric has no best value, or the reference has it.
        """
        if self.best is None or reference == self.best:
            return None
        return 1 - (self.best - value) / (self.best - reference)

    def rank(self, value):
        """A sort key: higher for better values, lowest for NaN."""
        if math.isnan(value):
            return -math.inf
        return value if self.higher_is_better else -value


def wilson(correct):
    """Wilson's 95 % confidence interval of a proportion (E. B. Wilson, 1927).

    Args:
        correct: bool array `[examples]`.

    Returns:
        `(low, high)`, floats.
    """
    test = scipy.stats.binomtest(int(np.sum(correct)), len(correct))
    interval = test.proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(values, resamples=1000, seed=0):
    """The 95 % percentile bootstrap interval of a mean (B. Efron, 1979).

    Args:
        values: float array `[examples]`.
        resamples: int.
        seed: int.

    Returns:
        `(low, high)`, floats.
    """
    values = np.asarray(values, "float64")
    generator = np.random.default_rng(seed)
    means = [
        values[generator.integers(0, len(values), len(values))].mean() for _ in range(resamples)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


_metrics: dict[str, Metric] = {}


def register(metric):
    """Adds a metric to the registry and returns it.

    Raises:
        ValueError: if another metric has that name.
    """
    if _metrics.get(metric.name, metric) != metric:
        raise ValueError(f"The metric {metric.name!r} is already registered. Choose another name.")
    _metrics[metric.name] = metric
    return metric


def get(name):
    """Returns the metric with this name.

    Raises:
        ValueError: if the name is unknown. The message suggests the nearest one.
    """
    if name not in _metrics:
        near = difflib.get_close_matches(str(name), _metrics, n=1, cutoff=0)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"Unknown metric {name!r}.{hint} Known: {', '.join(_metrics)}.")
    return _metrics[name]


ACCURACY = register(Metric("accuracy", True, ".3f", tolerance=0.001, best=1, interval=wilson))
BLEU = register(Metric("bleu", True, ".1f", tolerance=0.1, best=100))
# Gaps grow by factors, so a mean would be that of the longest.
LONGEST_GAP = register(
    Metric(
        "longest_gap",
        True,
        ".0f",
        tolerance=0,
        center=statistics.median_low,
        spread=lambda gaps: None,
    )
)
LOSS = register(Metric("loss", False, ".4f", tolerance=0.001, best=0))
PERPLEXITY = register(Metric("perplexity", False, ".1f", tolerance=0.1, best=1, interval=bootstrap))
BITS_PER_CHARACTER = register(
    Metric("bits_per_character", False, ".3f", tolerance=0.002, best=0, interval=bootstrap)
)
MAE = register(Metric("mae", False, ".3f", tolerance=0.001, best=0, interval=bootstrap))
MASE = register(Metric("mase", False, ".3f", tolerance=0.002, best=0, interval=bootstrap))
MSE = register(Metric("mse", False, ".3f", tolerance=0.001, best=0, interval=bootstrap))
OWA = register(Metric("owa", False, ".3f", tolerance=0.001, best=0, interval=bootstrap))
SMAPE = register(Metric("smape", False, ".2f", tolerance=0.02, best=0, interval=bootstrap))
WER = register(Metric("wer", False, ".1f", tolerance=0.1, best=0, interval=bootstrap))
CER = register(Metric("cer", False, ".1f", tolerance=0.1, best=0, interval=bootstrap))
