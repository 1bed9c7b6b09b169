"""Adapters: a forecaster of the zoo does what sktime asks of one."""

import importlib
import sys

import numpy as np
import pytest

import zoo

MISSING = "sktime isn't installed: pip install 'recurrent-zoo[sktime]'"


@pytest.fixture
def forecaster():
    pytest.importorskip("sktime", reason=MISSING)
    from zoo.adapters import SktimeForecaster

    return SktimeForecaster("tourism_monthly_rnn")


def months(columns=None):
    """120 months of a series, or a data frame of it in several sizes."""
    import pandas as pd

    steps = np.arange(120)
    values = (100 + steps) * (1 + 0.3 * np.sin(steps * np.pi / 6))
    index = pd.period_range("2010-01", periods=len(steps), freq="M")
    if columns is None:
        return pd.Series(values, index, name="sales")
    return pd.DataFrame({name: size * values for name, size in columns.items()}, index)


def test_without_sktime_the_import_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sktime.forecasting.base", None)
    monkeypatch.delitem(sys.modules, "zoo.adapters", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'recurrent-zoo\[sktime\]'"):
        importlib.import_module("zoo.adapters")


def test_it_forecasts_the_next_values_of_the_model(forecaster):
    y = months()
    found = forecaster.fit(y, fh=[1, 2, 12]).predict()
    expected = zoo.load("tourism_monthly_rnn").predict([y.to_numpy()])[0]
    np.testing.assert_allclose(found, expected[[0, 1, 11]], rtol=1e-6)
    assert [str(time) for time in found.index] == ["2020-01", "2020-02", "2020-12"]
    assert found.name == "sales"


def test_columns_are_series_of_their_own(forecaster):
    found = forecaster.fit(months({"small": 1, "large": 1000})).predict(fh=[3, 4])
    assert list(found.columns) == ["small", "large"]
    np.testing.assert_allclose(found["large"], 1000 * found["small"], rtol=1e-3)


def test_intervals_are_the_quantiles_of_the_model(forecaster):
    y = months({"small": 1, "large": 1000})
    found = forecaster.fit(y, fh=[1, 2]).predict_quantiles(alpha=[0.1, 0.5, 0.9])
    model = zoo.load("tourism_monthly_rnn")
    expected = model.predict([y.to_numpy()], quantiles=[0.1, 0.5, 0.9])[0, :2]
    for number, name in enumerate(y.columns):
        np.testing.assert_allclose(found[name], expected[:, number], rtol=1e-6)
    interval = forecaster.predict_interval(coverage=0.8)
    np.testing.assert_allclose(interval["large", 0.8, "upper"], expected[:, 1, 2], rtol=1e-6)
    with pytest.raises(ValueError, match=r"quantiles from 0\.1 to 0\.9\. Received: 0\.05"):
        forecaster.predict_interval(coverage=0.9)


def test_an_update_is_as_if_all_had_been_there_at_first(forecaster):
    y = months()
    updated = forecaster.fit(y[:100], fh=[1]).update(y[100:]).predict()
    np.testing.assert_allclose(updated, forecaster.clone().fit(y, fh=[1]).predict())
    assert str(updated.index[0]) == "2020-01"


def test_missing_values_are_those_of_the_season_before(forecaster):
    y = months()
    y.iloc[115] = np.nan
    filled = y.fillna(y.iloc[103])
    np.testing.assert_allclose(
        forecaster.fit(y).predict(fh=[1, 2]), forecaster.clone().fit(filled).predict(fh=[1, 2])
    )


def test_a_step_beyond_the_horizon_is_refused(forecaster):
    with pytest.raises(ValueError, match=r"the steps 1 to 24 after the last value\. Received: 25"):
        forecaster.fit(months()).predict(fh=[1, 25])
