"""A linear forecast of all series: NLinear, fitted by ridge regression."""

import numpy as np

SEASONS = (2, 4, 14)  # of a window
STRENGTHS = (1e-4, 1e-2, 1.0)  # of the regularisation, relative to the mean square of the inputs
WINDOWS = 40_000


class Linear:
    """The next values as one linear map of the last ones, after the last value is subtracted
    (A. Zeng et al., "Are Transformers Effective for Time Series Forecasting?", 2023).

    Args:
        windows: `TrainingWindows`.
        scale: function from windows, `[batch, lookback]`, and their masks to the scale of their
            errors, `[batch]`.
        strength: float, see `STRENGTHS`.
        seed: int.

    Attributes:
        weights: float array `[1 + lookback, horizon]`.
    """

    def __init__(self, windows, scale, strength, seed=0):
        series, mask, targets = windows.draw(np.random.default_rng(seed), WINDOWS)
        inputs, last = _inputs(series, mask, scale)
        targets = (targets - last[:, None]) / scale(series, mask)[:, None]
        square = inputs.T @ inputs
        strengths = np.full(len(square), strength * np.trace(square) / len(square))
        strengths[0] = 0  # the intercept
        self._scale = scale
        self.weights = np.linalg.solve(square + np.diag(strengths), inputs.T @ targets)

    def __call__(self, series, mask):
        """Forecasts, `[batch, horizon]`, of windows `[batch, lookback]` and their masks."""
        inputs, last = _inputs(series, mask, self._scale)
        return inputs @ self.weights * self._scale(series, mask)[:, None] + last[:, None]


def _inputs(series, mask, scale):
    last = series[:, -1]
    centred = (series - last[:, None]) * mask / scale(series, mask)[:, None]
    return np.c_[np.ones(len(centred)), centred], last
