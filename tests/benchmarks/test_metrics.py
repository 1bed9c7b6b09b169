"""Metrics: direction, format, intervals and registration."""

import numpy as np
import pytest

from benchmarks import metrics
from benchmarks.metrics import ACCURACY, BLEU, LOSS, Metric


@pytest.mark.parametrize("metric", [ACCURACY, LOSS], ids=lambda metric: metric.name)
def test_the_direction_decides_what_is_better(metric):
    better, worse = (0.9, 0.1) if metric.higher_is_better else (0.1, 0.9)
    assert metric.is_better(better, worse)
    assert not metric.is_better(worse, better)
    assert not metric.is_better(better, better)
    assert metric.reaches(better, worse)
    assert metric.reaches(better, better)
    assert not metric.reaches(worse, better)
    assert max([worse, better], key=metric.rank) == better


def test_values_are_formatted_by_their_metric():
    assert ACCURACY.text(0.76543) == "0.765"
    assert BLEU.text(42.57) == "42.6"


def test_an_unknown_metric_is_an_error_with_the_nearest_name():
    with pytest.raises(ValueError, match=r"'acuracy'.*mean 'accuracy'"):
        metrics.get("acuracy")


def test_a_name_can_have_only_one_metric():
    assert metrics.register(ACCURACY) is ACCURACY
    with pytest.raises(ValueError, match="'accuracy' is already registered"):
        metrics.register(Metric("accuracy", False, ".1f", 0.1))


def test_the_wilson_interval_matches_its_formula():
    correct = np.arange(100) < 76
    z, p, n = 1.959964, 0.76, 100
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    np.testing.assert_allclose(metrics.wilson(correct), (middle - half, middle + half), rtol=1e-5)


def test_the_bootstrap_interval_contains_the_mean_and_narrows_with_more_examples():
    values = np.random.default_rng(0).exponential(size=4000)
    widths = []
    for count in (100, 4000):
        low, high = metrics.bootstrap(values[:count])
        assert low < values[:count].mean() < high
        widths.append(high - low)
    standard_error = values.std() / np.sqrt(4000)
    assert widths[1] == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    assert widths[0] > 4 * widths[1]


@pytest.mark.parametrize("metric", [ACCURACY, LOSS], ids=lambda metric: metric.name)
def test_nan_reaches_no_target_and_ranks_last(metric):
    assert not metric.reaches(np.nan, 0.5)
    assert max([np.nan, 0.1, 0.9], key=metric.rank) == max([0.1, 0.9], key=metric.rank)
