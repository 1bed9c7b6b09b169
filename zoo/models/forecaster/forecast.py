"""The forecast of one series, its lines in a CSV file, and its picture."""

import dataclasses

import numpy as np

from zoo.series_files import Series, time_text

SHOWN = 4  # horizons of history in a picture


@dataclasses.dataclass(frozen=True)
class Forecast:
    """The forecast of one series.

    Attributes:
        history: the `Series` of past values.
        times: list of the times of the next values.
        values: float32 array `[horizon]`, the point forecast.
        quantiles: dict from a quantile to a float32 array `[horizon]`.
    """

    history: Series
    times: list
    values: np.ndarray
    quantiles: dict

    def rows(self):
        """The lines of a CSV file as dicts of str: `unique_id`, `ds` and `y`, and a column for each
        quantile, such as `y_0.1`."""
        for step, time in enumerate(self.times):
            yield {
                "unique_id": self.history.unique_id,
                "ds": time_text(time),
                "y": f"{self.values[step]:.7g}",
                **{f"y_{q:g}": f"{band[step]:.7g}" for q, band in self.quantiles.items()},
            }


def plot(forecasts):
    """Plots the end of each history, its forecast, and the interval of its outer quantiles.

    Args:
        forecasts: list of `Forecast`; the first six are plotted.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: matplotlib isn't installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ValueError("A plot needs matplotlib: pip install matplotlib") from error
    chosen = forecasts[:6]
    columns = 1 if len(chosen) == 1 else 2
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(7 if columns == 1 else 11, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, one in zip(grid, chosen, strict=False):
        length = min(len(one.history.values), SHOWN * len(one.times))
        steps = np.arange(1, len(one.times) + 1)
        axes.plot(np.arange(1 - length, 1), one.history.values[-length:], label="history")
        axes.plot(steps, one.values, label="forecast")
        if len(one.quantiles) > 1:
            low, high = min(one.quantiles), max(one.quantiles)
            label = f"quantiles {low:g} to {high:g}"
            bands = one.quantiles[low], one.quantiles[high]
            axes.fill_between(steps, *bands, color="C1", alpha=0.2, label=label)
        axes.set(title=one.history.unique_id, xlabel="steps from the last value")
        axes.grid(alpha=0.3)
    for axes in list(figure.axes)[len(chosen) :]:
        axes.set_axis_off()
    figure.axes[0].legend()
    return figure
