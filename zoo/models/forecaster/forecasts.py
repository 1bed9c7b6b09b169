"""The forecasts of the series in a file, as a CSV table and as a plot."""

import csv
import dataclasses
import io
from typing import TYPE_CHECKING

import numpy as np

from zoo.models.forecaster.forecast import Forecast

if TYPE_CHECKING:  # it may not be installed
    from matplotlib.figure import Figure

SHOWN = 4  # horizons of history in a plot
PLOTTED = 6  # series in a plot


@dataclasses.dataclass(frozen=True)
class Forecasts:
    """The forecasts of the series in a file.

    Attributes:
        forecasts: list of `Forecast`, in the order of the file.
    """

    forecasts: list[Forecast]

    def csv(self) -> str:
        """A CSV table, a str: a line for each value with `unique_id`, `ds` and `y`, and a column
        for each quantile, such as `y_0.1`."""
        rows = [row for forecast in self.forecasts for row in forecast.rows()]
        file = io.StringIO()
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        return file.getvalue()

    def plot(self) -> "Figure":
        """Plots the end of each history, its forecast, and the interval of its outer quantiles.

        Returns:
            A `matplotlib.figure.Figure` of the first six series.

        Raises:
            ValueError: matplotlib isn't installed.
        """
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ValueError("A plot needs matplotlib: pip install matplotlib") from error
        chosen = self.forecasts[:PLOTTED]
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
            title = one.history.unique_id.replace("$", r"\$")  # which would begin a formula
            axes.set(title=title, xlabel="steps from the last value")
            axes.grid(alpha=0.3)
        for axes in list(figure.axes)[len(chosen) :]:
            axes.set_axis_off()
        figure.axes[0].legend()
        return figure
