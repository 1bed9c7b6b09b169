"""The Theta method, the winner of the M3 competition, by statsmodels."""

import warnings

import numpy as np

from benchmarks.tasks.forecasting import naive

PARAMETERS = 2  # of each series: its slope, and the smoothing of its level


def forecast(history, period, horizon):
    """Forecasts a series by the Theta method (V. Assimakopoulos and K. Nikolopoulos, "The theta
    model: a decomposition approach to forecasting", 2000), seasonally adjusted where the season is
    significant.

    Args:
        history: float array `[time]`.
        period: int, length of a season.
        horizon: int.

    Returns:
        A float array `[horizon]`.
    """
    from statsmodels.tsa.forecasting.theta import ThetaModel

    if len(history) < 3 or np.ptp(history) == 0:
        return naive.last(history, period, horizon)
    is_seasonal = len(history) > 2 * period and naive.is_seasonal(history, period)
    model = ThetaModel(
        history,
        period=period if is_seasonal else 1,
        deseasonalize=is_seasonal,
        use_test=False,
        method="auto" if history.min() > 0 else "additive",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the optimizer, whose result is used as it is
        return np.asarray(model.fit(disp=False).forecast(horizon))
