"""Forecasts that learn nothing: the last value, the last season, and Naive2 of M4."""

import numpy as np

SEASONAL = 1.645  # of a normal distribution, 90 % two-sided


def last(history, period, horizon):
    """The last value, repeated.

    Args:
        history: float array `[time]`.
        period: int, length of a season.
        horizon: int.

    Returns:
        A float array `[horizon]`.
    """
    return np.repeat(history[-1], horizon)


def seasonal(history, period, horizon):
    """The last season, repeated; for a shorter history, the last value. Arguments as in `last`."""
    if len(history) < period:
        return last(history, period, horizon)
    return history[len(history) - period + np.arange(horizon) % period]


def naive2(history, period, horizon):
    """The last value of the seasonally adjusted series, with the season's indices.

    As the organisers of the M4 competition define it: a multiplicative classical decomposition
    where the autocorrelation at the lag of the season is significant. Arguments as in `last`.
    """
    if not is_seasonal(history, period):
        return last(history, period, horizon)
    indices = seasonal_indices(history, period)
    adjusted = history[-1] / indices[(len(history) - 1) % period]
    return adjusted * indices[(len(history) + np.arange(horizon)) % period]


def is_seasonal(values, period):
    """Whether the autocorrelation at lag `period` is significant at 90 %, a bool."""
    count = len(values)
    centred = values - values.mean()
    variance = np.dot(centred, centred)
    if period < 2 or count < 3 * period or not variance:
        return False
    correlations = [
        np.dot(centred[lag:], centred[:-lag]) / variance for lag in range(1, period + 1)
    ]
    limit = SEASONAL * np.sqrt((1 + 2 * np.square(correlations[:-1]).sum()) / count)
    return bool(abs(correlations[-1]) > limit)


def seasonal_indices(values, period):
    """The indices of a multiplicative classical decomposition, `[period]`, with the mean 1."""
    weights = np.ones(period) / period
    if period % 2 == 0:  # the average of two windows, so that it is centred
        weights = np.r_[0.5, np.ones(period - 1), 0.5] / period
    half = len(weights) // 2
    trend = np.convolve(values, weights, mode="valid")
    phases = np.arange(half, half + len(trend)) % period
    ratios = values[half : half + len(trend)] / trend
    indices = np.array([ratios[phases == phase].mean() for phase in range(period)])
    return indices / indices.mean()
