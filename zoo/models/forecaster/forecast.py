"""The forecast of one series, and its lines in a CSV file."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from zoo.series_files import Series, time_text


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

    def rows(self) -> Iterator[dict[str, str]]:
        """The lines of a CSV file as dicts of str: `unique_id`, `ds` and `y`, and a column for each
        quantile, such as `y_0.1`."""
        for step, time in enumerate(self.times):
            yield {
                "unique_id": self.history.unique_id,
                "ds": time_text(time),
                "y": f"{self.values[step]:.7g}",
                **{f"y_{q:g}": f"{band[step]:.7g}" for q, band in self.quantiles.items()},
            }
