"""Forecasters: units and gaps of series, quantiles, seasons, files, and what is refused."""

import keras
import numpy as np
import pytest
from examples import forecaster as example

import zoo
from zoo import models

DRAWS = np.random.default_rng(1)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return example.build()


def build(seasons=(), quantiles=(), horizon=5, linear=False, **options):
    """An untrained model, whose forecast is the reference."""
    keras.utils.set_random_seed(0)
    options = {"lookback": 12, "segment": 4, "units": 6, **options}
    backbone = models.ForecastBackbone("gru", **options)
    return models.Forecaster(
        backbone,
        horizon,
        seasons=seasons,
        linear=linear,
        quantiles=quantiles,
        preprocessor=models.ForecastPreprocessor(options["lookback"], period=4),
    )


def randomized(model):
    for layer in model.layers:
        if layer.name in ("residual", "reference", "linear", "quantiles"):
            layer.set_weights([DRAWS.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    return model


def test_forecasts_have_the_shape_of_the_contract(model):
    series = [np.arange(20.0), np.ones(3)]
    forecasts = model.predict(series)
    assert forecasts.shape == (2, 5)
    assert forecasts.dtype == np.float32
    assert (model.horizon, model.frequency, model.period) == (5, "h", 4)
    bands = model.predict(series, quantiles=[0.1, 0.9])
    assert bands.shape == (2, 5, 2)
    table = np.stack([np.arange(20.0), np.arange(20.0) ** 2], axis=1)
    together = model.predict([table, table[:7]])
    assert together.shape == (2, 5, 2)
    np.testing.assert_allclose(together[0, :, 1], model.predict([table[:, 1]])[0], rtol=1e-5)
    assert model.predict([table], quantiles=[0.5]).shape == (1, 5, 2, 1)
    np.testing.assert_allclose(
        model.predict(np.stack([np.arange(9.0)] * 2))[1], forecasts_of(model)
    )


def forecasts_of(model):
    return model.predict([np.arange(9.0)])[0]


@pytest.mark.parametrize("quantiles", [(), (0.1, 0.5, 0.9)])
@pytest.mark.parametrize("count", [1, 3, 5])  # 3 quantiles, a horizon of 5
def test_forecasts_do_not_depend_on_the_other_series(quantiles, count):
    model = randomized(build(quantiles=quantiles))
    series = [level + np.arange(14.0) for level in (1e3, -20, 7, 300, 0)][:count]
    together = model.predict(series)  # the first call, so the shapes are known
    for one, expected in zip(series, together, strict=True):
        np.testing.assert_allclose(model.predict([one, one])[0], expected, rtol=1e-5)


def test_differences_follow_the_level_alone():
    model = randomized(build(normalization="difference"))
    series = np.random.default_rng(0).normal(size=20)
    shifted, scaled = model.predict([series + 1e6, 3 * series], scale=1.0) - [[1e6], [0]]
    (forecast,) = model.predict([series], scale=1.0)
    np.testing.assert_allclose(shifted, forecast, atol=0.2)  # float32 near 1e6
    assert not np.allclose(scaled, 3 * forecast, rtol=0.05)


def test_series_are_divided_by_the_deviation_of_all_their_values():
    model = randomized(build(normalization="difference", quantiles=(0.1, 0.5, 0.9)))
    series = 40 * DRAWS.normal(size=50)  # longer than the lookback of 12
    assert series[-12:].std() != pytest.approx(series.std(), rel=0.01)
    expected = model.predict([series], scale=series.std())
    gappy = np.insert(series, 0, np.nan)
    np.testing.assert_allclose(model.predict([series, gappy]), [*expected, *expected], rtol=1e-5)
    unit = series / series.std()
    np.testing.assert_allclose(expected, model.predict([unit], scale=1.0) * series.std(), rtol=1e-5)
    np.testing.assert_allclose(
        zoo.gates(model, series)[0].values["h"], zoo.gates(model, unit)[0].values["h"], rtol=1e-4
    )
    assert np.isfinite(model.predict([np.zeros(5)])).all()
    for scale in (0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="`scale` must be a positive number"):
            model.predict([series], scale=scale)


def test_a_model_of_scaled_series_is_fitted_to_raw_ones():
    model = build(normalization="difference")
    model.compile(loss="mae")
    series = 1000 * DRAWS.normal(size=(6, 30))
    raw = model.evaluate(list(series[:, :25]), series[:, 25:], verbose=0)
    own = series[:, :25].std(axis=1)[:, None]
    unit = model.evaluate(list(series[:, :25] / own), series[:, 25:] / own, verbose=0)
    np.testing.assert_allclose(raw, unit, rtol=1e-4)
    model.fit(list(series[:, :25]), series[:, 25:], epochs=1, verbose=0)


@pytest.mark.parametrize("normalization", ["last", "difference"])
def test_next_values_of_a_horizon_of_one_need_no_second_axis(normalization):
    model = build(normalization=normalization, horizon=1)
    series = DRAWS.normal(size=(6, 21)) * np.arange(1, 7)[:, None]
    _, flat, _ = model._preprocessed(list(series[:, :20]), series[:, 20])
    _, column, _ = model._preprocessed(list(series[:, :20]), series[:, 20:])
    np.testing.assert_allclose(flat, column[:, 0])


@pytest.mark.parametrize("normalization", ["last", "standard", "difference"])
def test_a_forecast_follows_the_unit_and_the_level_of_its_series(normalization):
    model = randomized(build(seasons=[4], normalization=normalization))
    series = DRAWS.normal(3, 2, 12)
    forecast = model.predict([series, 7 * series + 20])
    np.testing.assert_allclose(forecast[1], 7 * forecast[0] + 20, rtol=1e-4)
    assert np.ptp(forecast[0]) > 0.1


def test_logarithms_are_of_positive_series_alone():
    model = randomized(build(log=True))
    positive = np.exp(DRAWS.normal(0, 1, 12))
    forecast = model.predict([positive, 1000 * positive, -positive])
    np.testing.assert_allclose(forecast[1], 1000 * forecast[0], rtol=1e-3)
    assert (forecast[:2] > 0).all()
    assert np.isfinite(forecast).all()


def test_an_untrained_model_repeats_the_level_or_mixes_it_with_the_seasons():
    series = np.array([5.0, 1, 2, 3, 5, 1, 2, 4])
    np.testing.assert_allclose(build(normalization="last").predict([series])[0], [4] * 5, rtol=1e-6)
    np.testing.assert_allclose(build().predict([series])[0], [series.mean()] * 5, rtol=1e-6)
    mixed = build(seasons=[4], normalization="last").predict([series])[0]
    np.testing.assert_allclose(mixed, (4 + np.array([5, 1, 2, 4, 5])) / 2, rtol=1e-5)
    # A season that is longer than the series has no weight.
    short = build(seasons=[4], normalization="last").predict([series[:3]])[0]
    np.testing.assert_allclose(short, [2] * 5, rtol=1e-6)


def test_a_linear_map_of_the_window_is_added():
    series, weights = DRAWS.normal(size=12), DRAWS.normal(size=(12, 5))
    model = build(linear=True, normalization="difference")
    np.testing.assert_allclose(model.predict([series])[0], [series[-1]] * 5, rtol=1e-5)
    model.get_layer("linear").set_weights([weights])
    expected = series[-1] + (series - series[-1]) @ weights
    np.testing.assert_allclose(model.predict([series], scale=1.0)[0], expected, rtol=1e-4)


@pytest.mark.parametrize(
    "series", [[7.0], [7.0] * 30, [0.0, 0.0], [np.nan, 7.0, np.nan], [1e8] * 9]
)
def test_constants_and_single_values_stay_what_they_are(model, series):
    expected = series[-1] if not np.isnan(series[-1]) else 7.0
    np.testing.assert_allclose(model.predict([np.array(series)])[0], [expected] * 5, rtol=1e-5)


def test_missing_values_are_those_of_the_season_before():
    preprocessor = models.ForecastPreprocessor(lookback=6, period=3)
    x = preprocessor([np.array([np.nan, 1, 2, np.nan, 4, np.nan, 6]), np.array([8.0])])
    np.testing.assert_array_equal(x["series"], [[1, 2, 2, 4, 2, 6], [0, 0, 0, 0, 0, 8]])
    np.testing.assert_array_equal(x["padding_mask"][1], [False] * 5 + [True])
    assert x["padding_mask"][0].all()


def test_values_before_the_window_do_not_matter(model):
    window = DRAWS.normal(size=12)
    longer = np.r_[DRAWS.normal(size=50), window]
    np.testing.assert_array_equal(model.predict([longer]), model.predict([window]))


@pytest.mark.parametrize(
    ("series", "message"),
    [
        ([[]], r"one value or more\. Received: shape=\(0,\)"),
        ([[1.0, np.inf]], r"must be finite.*Received: inf at index 1"),
        ([[1.0, 1e39]], "must be finite"),
        ([[np.nan, np.nan]], "at least one value that isn't NaN"),
        ([["one"]], "must be an array of numbers"),
        ([np.ones((2, 2, 2))], r"shape \[time\]"),
        ([np.ones((2, 2)), np.ones((2, 3))], "with the same features"),
        ([1.0, 2.0], "put one series into a list"),
        (np.ones(4), "put one series into a list"),
    ],
)
def test_a_bad_series_is_one_line_of_error(model, series, message):
    with pytest.raises(ValueError, match=message):
        model.predict(series)


def test_quantiles_do_not_cross_and_are_interpolated():
    model = randomized(build(quantiles=[0.1, 0.5, 0.9]))
    series = [DRAWS.normal(size=12)]
    low, middle, high = np.moveaxis(model.predict(series, quantiles=[0.1, 0.5, 0.9]), -1, 0)
    assert (low <= middle).all()
    assert (middle <= high).all()
    between = model.predict(series, quantiles=[0.3])[..., 0]
    np.testing.assert_allclose(between, (low + middle) / 2, rtol=1e-5)
    (answer,) = model.answers(series)
    assert list(answer["quantiles"]) == ["0.1", "0.5", "0.9"]
    assert answer["forecast"] == answer["quantiles"]["0.5"]
    with pytest.raises(ValueError, match=r"quantiles from 0\.1 to 0\.9\. Received: 0\.99"):
        model.predict(series, quantiles=[0.99])


def test_a_model_of_points_has_no_quantiles():
    model = build()
    assert model.answers([np.arange(4.0)])[0]["quantiles"] == {}
    with pytest.raises(ValueError, match="trained without quantiles"):
        model.predict([np.arange(4.0)], quantiles=[0.5])
    for quantiles in ([0.1, 0.9], [0.5, 0.5], [0, 0.5]):
        with pytest.raises(ValueError, match=r"0\.5 among them"):
            build(quantiles=quantiles)


def test_quantiles_leave_the_training_of_the_point_as_it_is():
    series = DRAWS.normal(size=(64, 12)).cumsum(axis=1)
    targets = (series[:, -1:] + np.arange(5)).astype("float32")
    forecasts = []
    for quantiles in ([], [0.1, 0.5, 0.9]):
        model = build(quantiles=quantiles)
        optimizer = keras.optimizers.SGD(0.1 * max(1, len(quantiles)))
        model.compile(optimizer)
        model.fit(list(series), targets, epochs=3, shuffle=False, verbose=0)
        forecasts.append(model.predict(list(series)))
    np.testing.assert_allclose(forecasts[1], forecasts[0], rtol=1e-4, atol=1e-5)


def test_the_pinball_loss_is_least_at_the_quantile():
    values = DRAWS.normal(size=4001).astype("float32")
    loss = models.PinballLoss([0.1, 0.5, 0.9])
    at = lambda *points: float(
        loss(values[:, None], np.tile(np.array(points, "float32"), (len(values), 1, 1)))
    )
    found = np.quantile(values, [0.1, 0.5, 0.9])
    for index in range(3):
        for change in (-0.1, 0.1):
            other = found.copy()
            other[index] += change
            assert at(*found) < at(*other)
    median = models.PinballLoss([0.5])
    assert float(median([[1.0, 5.0]], [[[2.0], [2.0]]])) == pytest.approx(2)


def test_an_ensemble_answers_with_the_median_of_its_members(tmp_path):
    members = [randomized(build(quantiles=[0.1, 0.5, 0.9])) for _ in range(4)]
    series = [DRAWS.normal(size=12), np.arange(3.0)]
    for count in (3, 4):
        model = models.ensemble(members[:count])
        expected = np.median([one.predict(series) for one in members[:count]], axis=0)
        np.testing.assert_allclose(model.predict(series), expected, rtol=1e-4, atol=1e-5)
    assert (model.horizon, model.period, model.lookback) == (5, 4, 12)
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    assert type(loaded) is models.ForecasterEnsemble
    np.testing.assert_array_equal(loaded.predict(series), model.predict(series))


def test_members_of_an_ensemble_forecast_the_same_values():
    for options, name in (({"horizon": 6}, "horizon"), ({"lookback": 16}, "lookback")):
        with pytest.raises(ValueError, match=f"the same {name}"):
            models.ensemble([build(), build(**options)])


def test_the_gates_of_a_short_series_are_those_of_its_segments(model):
    (gates,) = zoo.gates(model, np.arange(5.0))
    assert gates.steps == ["0", "1"]
    (longer,) = zoo.gates(model, np.arange(30.0))
    assert len(longer["h"]) == 3
    # The state at the last segment is what the forecast is made of.
    state = model.backbone(model.preprocessor([np.arange(5.0)]))["state"]
    np.testing.assert_allclose(gates["h"][-1], state[0], rtol=1e-5)


def test_lengths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"multiple of `segment`.*lookback=10, segment=4"):
        models.ForecastBackbone("gru", lookback=10, segment=4)
    with pytest.raises(ValueError, match="lengths from 1 to the lookback, 12"):
        build(seasons=[24])
    with pytest.raises(ValueError, match=r"`loss` must be one of .* 'huber'"):
        models.Forecaster(build().backbone, 5, loss="huber")
    with pytest.raises(ValueError, match="`method` must be one of"):
        build(normalization="none")
