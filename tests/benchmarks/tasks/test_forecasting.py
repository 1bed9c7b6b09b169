"""Forecasting: what the competitions measure, which windows count, and the baselines."""

import numpy as np
import pytest

from benchmarks import config
from benchmarks.tasks import TASKS
from benchmarks.tasks.forecasting import measures, naive, theta
from benchmarks.tasks.forecasting.windows import TrainingWindows, all_windows
from zoo.datasets.errors import DatasetError
from zoo.datasets.series_builder import divided
from zoo.models import ForecastPreprocessor

FEATURES = dict.fromkeys(("series", "origin", "horizon", "period", "frequency", "metric"))
FILL = ForecastPreprocessor(1, period=4).fill


def seasonal_series(count, seed=0):
    """Positive series with a season of 4, of different levels."""
    draws = np.random.default_rng(seed)
    return {
        f"s{number}": 10
        * (1 + number)
        * (
            1
            + 0.5 * np.sin(np.arange(40 + number) * np.pi / 2)
            + draws.normal(0, 0.02, 40 + number)
        )
        for number in range(count)
    }


def task(metric="smape", series=None, held_out=5, **facts):
    facts = {"horizon": 3, "period": 4, "frequency": "h", "metric": metric, **facts}
    examples = divided(
        series or seasonal_series(3),
        lambda count: count - 2 * held_out,
        lambda count: count - held_out,
        **facts,
    )
    data = {
        split: {name: [one[name] for one in of_split] for name in of_split[0]}
        for split, of_split in examples.items()
    }
    return TASKS["forecasting"](data.get, FEATURES, "none")


def of_suite(**model):
    (run,) = config.load("quick", tasks=["tourism_monthly"], chosen=["rnn"], seeds=1)
    keys = {"lookback": 8, "segment": 4, "seasons": (4,), "units": 4, "windows": 16, **model}
    return run.model_copy(update={"model": run.model.model_copy(update=keys)})


# Measures


def test_smape_and_mase_by_hand():
    targets, forecasts = (
        np.array([[1.0, 3], [0, 2], [np.nan, 4]]),
        np.array([[3.0, 3], [0, 1], [9, 4]]),
    )
    np.testing.assert_allclose(measures.smape(targets, forecasts), [50, 100 / 3, 0])
    np.testing.assert_allclose(
        measures.mase(targets, forecasts, np.array([2.0, 1, 1])), [0.5, 0.5, 0]
    )
    assert measures.seasonal_error(np.array([1.0, 2, 5, 3]), 2) == 2.5
    assert measures.seasonal_error(np.array([1.0, 4]), 2) == 3
    assert measures.seasonal_error(np.array([5.0, 5, 5]), 1) == 1
    assert measures.seasonal_error(np.array([5.0]), 1) == 1


def test_owa_is_one_for_naive2_and_half_for_half_the_errors():
    smapes, mases = np.array([10.0, 20]), np.array([1.0, 3])
    assert measures.owa(smapes, mases, smapes, mases) == 1
    assert measures.owa(smapes / 2, mases / 2, smapes, mases) == 0.5
    assert measures.owa(smapes, mases, 2 * smapes, 4 * mases) == pytest.approx(0.375)


def test_blocks_make_intervals_of_dependent_examples_wider():
    walk = np.random.default_rng(0).normal(size=2000).cumsum()
    mean = lambda column: column.mean()
    narrow, wide = measures.bootstrap(mean, walk), measures.bootstrap(mean, walk, block=400)
    assert narrow[0] < walk.mean() < narrow[1]
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_naive_forecasts():
    history = np.array([1.0, 2, 3, 4, 5])
    np.testing.assert_array_equal(naive.last(history, 2, 3), [5, 5, 5])
    np.testing.assert_array_equal(naive.seasonal(history, 2, 3), [4, 5, 4])
    np.testing.assert_array_equal(naive.seasonal(history, 6, 2), [5, 5])


def test_naive2_adjusts_for_a_season_that_is_significant():
    season = np.array([0.5, 1.5, 1.0, 1.0])
    history = 10 * np.tile(season, 10)
    np.testing.assert_allclose(naive.seasonal_indices(history, 4), season)
    np.testing.assert_allclose(naive.naive2(history[:-2], 4, 4), 10 * season[[2, 3, 0, 1]])
    noise = np.random.default_rng(0).normal(10, 1, 40)
    assert not naive.is_seasonal(noise, 4)
    np.testing.assert_array_equal(naive.naive2(noise, 4, 2), [noise[-1]] * 2)
    # Odd seasons have a window of their own length.
    np.testing.assert_allclose(naive.seasonal_indices(np.tile([1.0, 2, 3], 5), 3), [0.5, 1, 1.5])


def test_theta_goes_on_with_season_and_half_the_trend():
    steps = np.arange(44)
    forecast = theta.forecast((100 + 2.0 * steps[:40]) * np.tile([0.8, 1.2, 1, 1], 10), 4, 4)
    expected = (100 + 2.0 * steps[40:]) * [0.8, 1.2, 1, 1]
    np.testing.assert_allclose(forecast, expected, rtol=0.05)
    np.testing.assert_array_equal(theta.forecast(np.full(30, 7.0), 4, 2), [7, 7])
    assert np.isfinite(theta.forecast(np.random.default_rng(0).normal(size=30), 4, 2)).all()


# Windows


def test_every_window_with_all_targets_in_the_split_counts():
    series = [np.arange(10.0), np.arange(7.0)]
    windows = all_windows(series, [6, 5], horizon=2, split="test")
    np.testing.assert_array_equal(windows.targets, [[6, 7], [7, 8], [8, 9], [5, 6]])
    assert [len(one) for one in windows.inputs] == [6, 7, 8, 5]
    np.testing.assert_array_equal(windows.rows, [0, 0, 0, 1])
    with pytest.raises(
        DatasetError, match="No series has 5 values to forecast in the split 'test'"
    ):
        all_windows(series, [6, 5], horizon=5, split="test")


def test_drawn_windows_are_those_of_the_series():
    series = [np.arange(100.0, 130), np.array([np.nan, 1, 2, 3, np.nan, 5, 6, 7, 8.0]), [np.nan]]
    drawn = TrainingWindows(list(map(np.asarray, series)), FILL, lookback=6, horizon=2, least=2)
    windows, masks, targets = drawn.draw(np.random.default_rng(0), 500)
    assert windows.shape == (500, 6)
    is_first = targets[:, 0] >= 100
    assert 200 < is_first.sum() < 300
    # Consecutive numbers, with zeros before the series.
    first = windows[is_first]
    for row, mask, target in zip(first, masks[is_first], targets[is_first], strict=True):
        known = row[mask]
        assert len(known) > 2 or mask.sum() == 6
        np.testing.assert_array_equal(np.r_[known, target], known[0] + np.arange(len(known) + 2))
        assert not row[~mask].any()
    assert set(targets[is_first][:, 1]) <= set(range(104, 130))
    # Missing values are never targets, and are filled in the past.
    assert np.isfinite(targets).all()
    assert set(map(tuple, targets[~is_first])) <= {(5, 6), (6, 7), (7, 8)}
    assert np.isfinite(windows).all()
    with pytest.raises(DatasetError, match="longer than 40 values, the horizon"):
        TrainingWindows([series[0]], FILL, lookback=6, horizon=40, least=2)


def test_training_never_sees_what_validates_or_tests():
    one = task()
    held_out = {float(v) for values in one.read("test")["series"] for v in values[-10:]}
    drawn = one.training_windows(ForecastPreprocessor(8, 4), 8)
    windows, _, targets = drawn.draw(np.random.default_rng(0), 2000)
    seen = {*windows.ravel().tolist(), *targets.ravel().tolist()}
    assert len(seen) > 80
    assert not seen & held_out


# The task


@pytest.mark.parametrize("metric", ["mse", "smape", "mase", "owa"])
def test_the_metric_is_that_of_the_dataset(metric):
    one = task(metric)
    assert one.metric.name == metric
    for baseline in one.baselines:
        found = getattr(one, baseline)()
        low, high = found.evaluation.interval
        assert low <= found.evaluation.value <= high
        assert 0 < found.evaluation.value < 1000
        assert "3" in found.evaluation.signature
    # The season is all that these series have.
    assert one.baseline().evaluation.value < one.baseline_last().evaluation.value / 3


def test_long_horizons_are_measured_on_scaled_series():
    one = task("mse")
    examples = one.examples("train").inputs
    for values in examples:
        assert values.mean() == pytest.approx(0, abs=1e-6)
        assert values.std() == pytest.approx(1, abs=1e-6)
    assert len(one.examples("test")) == 3 * (5 - 3 + 1)
    targets = one.examples("test").targets
    off = one.evaluation(targets + 0.5)
    assert off.value == pytest.approx(0.25)
    assert off.details["mae"] == pytest.approx(0.5)


def test_a_model_learns_and_its_intervals_are_measured():
    one, run = task(), of_suite()
    model = one.build(run)
    assert (model.horizon, model.period, model.frequency, model.lookback) == (3, 4, "h", 8)
    train = one.batches(model, one.examples("train"), run, batch_size=8)
    train.shuffle(0)
    batches = list(train.dataset)
    assert len(batches) == len(train) == 2
    x, y = batches[0]
    assert x["series"].shape == (8, 8)
    assert y.shape == (8, 3)
    # Errors are relative, so windows have the size one.
    np.testing.assert_allclose(np.abs(x["series"][:, -4:]).mean(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(next(iter(train.dataset))[1], y)
    train.epoch = 1
    assert not np.array_equal(next(iter(train.dataset))[1], y)
    evaluation = one.evaluate(model, run)
    assert evaluation.details.keys() == {"mase", "coverage_0.1_0.9"}
    assert "forecasts" in evaluation.figures
    points = one.evaluate(one.build(of_suite(quantiles=())), run)
    assert points.details.keys() == {"mase"}


def test_validation_is_in_the_same_unit_as_training():
    one, run = task("owa"), of_suite()
    model = one.build(run)
    validation = one.batches(model, one.examples("validation"), run)
    _, y = next(iter(validation.dataset))
    assert len(y) == len(one.examples("validation"))
    sizes = one.sizes(
        *(np.asarray(v) for v in model.preprocessor(one.examples("validation").inputs).values())
    )
    ratio = np.sort(one.examples("validation").targets[:, 0] / sizes)
    np.testing.assert_allclose(np.sort(y[:, 0]), ratio, rtol=1e-4)


def test_missing_targets_do_not_count():
    series = seasonal_series(3)
    for values in series.values():
        values[-2] = np.nan
        values[-12:-8] = np.nan
    one, run = task("mase", series), of_suite()
    value = one.baseline().evaluation.value
    assert np.isfinite(value)
    model = one.build(run)
    for split in ("train", "validation"):
        for x, y in one.batches(model, one.examples(split), run).dataset:
            assert np.isfinite(x["series"]).all()
            assert np.isfinite(y).all()
    assert np.isfinite(one.evaluate(model, run).value)


@pytest.mark.parametrize(
    ("facts", "message"),
    [({"metric": "rmse"}, "must be one of mse, smape, mase, owa. Received: 'rmse'")],
)
def test_a_metric_that_is_unknown_is_named(facts, message):
    with pytest.raises(DatasetError, match=message):
        assert task(**facts).metric


def test_series_must_have_one_horizon():
    one = task()
    one.read("test")["horizon"][0] = 7
    with pytest.raises(DatasetError, match="the same horizon"):
        assert one.facts
    with pytest.raises(DatasetError, match="Missing: horizon, period, frequency, metric, origin"):
        assert TASKS["forecasting"](lambda split: {}, {"series": None}, "none").facts


def test_parts_that_do_not_fit_are_named():
    Model = TASKS["forecasting"].Model
    keys = {"lookback": 12, "segment": 4, "units": 4, "normalization": "last", "windows": 8}
    for wrong, message in [
        ({"segment": 5}, "must be a multiple of `segment`, 5"),
        ({"seasons": [24]}, "`seasons` must not exceed `lookback`, 12"),
        ({"quantiles": [0.1, 0.9]}, "0.5 among them"),
    ]:
        with pytest.raises(ValueError, match=message):
            Model(**{**keys, **wrong})
