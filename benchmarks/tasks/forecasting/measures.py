"""Errors of forecasts, as the M4 competition and the literature on long horizons define them."""

import numpy as np

RESAMPLES = 1000


def smape(targets, forecasts):
    """The symmetric absolute percentage error of each forecast, from 0 to 200.

    Args:
        targets: float array `[forecasts, horizon]`; NaN is a missing value.
        forecasts: float array `[forecasts, horizon]`.

    Returns:
        A float array `[forecasts]`.
    """
    size = np.abs(targets) + np.abs(forecasts)
    # Where both are zero, the forecast is right.
    ratios = 2 * np.abs(targets - forecasts) / np.where(size == 0, 1, size)
    return 100 * np.nanmean(ratios, axis=1)


def mase(targets, forecasts, scales):
    """The absolute scaled error of each forecast (R. J. Hyndman and A. B. Koehler, "Another look at
    measures of forecast accuracy", 2006).

    Args:
        targets, forecasts: see `smape`.
        scales: float array `[forecasts]`, the `seasonal_error` of each history.

    Returns:
        A float array `[forecasts]`.
    """
    return np.nanmean(np.abs(targets - forecasts), axis=1) / scales


def seasonal_error(history, period):
    """The mean absolute difference between values one season apart, 1 if there is none."""
    lag = period if len(history) > period else 1
    differences = np.abs(history[lag:] - history[:-lag])
    error = np.nanmean(differences) if np.isfinite(differences).any() else 0.0
    return float(error) or 1.0


def owa(smapes, mases, smapes_of_naive2, mases_of_naive2):
    """The overall weighted average of the M4 competition: 1 for Naive2.

    Args:
        smapes, mases: float arrays `[forecasts]`.
        smapes_of_naive2, mases_of_naive2: the same of the reference.
    """
    relative = smapes.mean() / smapes_of_naive2.mean(), mases.mean() / mases_of_naive2.mean()
    return float(np.mean(relative))


def bootstrap(statistic, *columns, block=1, seed=0):
    """The 95 % percentile bootstrap interval of a statistic of examples in order.

    Circular blocks of neighbours are drawn together, since neighbours may depend on each other (D.
    N. Politis and J. P. Romano, "A Circular Block-Resampling Procedure", 1992).

    Args:
        statistic: function from arrays to a float.
        *columns: float arrays `[examples]`, its arguments.
        block: int, examples of a block.
        seed: int.

    Returns:
        `(low, high)`, floats.
    """
    generator = np.random.default_rng(seed)
    count = len(columns[0])
    blocks = -(-count // block)
    values = []
    for _ in range(RESAMPLES):
        starts = generator.integers(0, count, blocks)
        chosen = ((starts[:, None] + np.arange(block)) % count).ravel()[:count]
        values.append(statistic(*(column[chosen] for column in columns)))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
