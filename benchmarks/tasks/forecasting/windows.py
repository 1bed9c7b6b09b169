"""Windows of series: drawn at random for training, and every one of a split for evaluation."""

import dataclasses

import numpy as np

from benchmarks.tasks.task import Examples
from zoo.datasets.errors import DatasetError


@dataclasses.dataclass(frozen=True, eq=False)
class Windows(Examples):
    """All windows of a split, series by series and in order of time.

    Attributes:
        inputs: list of float arrays `[time]`, the values before each window's targets.
        targets: float array `[windows, horizon]`; NaN is a missing value.
        rows: int array `[windows]`, the index of each window's series.
    """

    rows: np.ndarray


def all_windows(series, origins, horizon, split):
    """The `Windows` with all targets in a split: from each origin to the end of the series.

    Args:
        series: list of float arrays `[time]`.
        origins: list of int.
        horizon: int.
        split: str, for an error message.

    Raises:
        DatasetError: no series has `horizon` values in the split and one before.
    """
    inputs, targets, rows = [], [], []
    for row, (values, origin) in enumerate(zip(series, origins, strict=True)):
        for end in range(max(origin, 1), len(values) - horizon + 1):
            if np.isfinite(values[:end]).any() and np.isfinite(values[end : end + horizon]).any():
                inputs.append(values[:end])
                targets.append(values[end : end + horizon])
                rows.append(row)
    if not inputs:
        raise DatasetError(
            f"No series has {horizon} values to forecast in the split {split!r}. Add values, or "
            "choose a smaller horizon."
        )
    return Windows(inputs, np.stack(targets), np.array(rows))


class TrainingWindows:
    """Windows to draw from the series of the training split.

    A series is drawn first, so that long ones don't outweigh short ones, then a position in it.

    Args:
        series: list of float arrays `[time]`; NaN is a missing value.
        fill: function that replaces the missing values of a series by earlier ones, and drops those
            before the first.
        lookback: int, values of a window.
        horizon: int, values of its targets.
        least: int, minimum number of values before the targets, if a series has that many.

    Raises:
        DatasetError: no series has `horizon` values and one before.
    """

    def __init__(self, series, fill, lookback, horizon, least):
        self._steps = np.arange(lookback + horizon)
        self._lookback = lookback
        inputs, targets, first, all_ends = [], [], [], []
        start = 0
        for values in series:
            if not np.isfinite(values).any():
                continue
            filled = fill(values)
            values = values[len(values) - len(filled) :]
            ends = _ends(values, horizon, least)
            if len(ends):
                first.append(start)
                all_ends.append(ends)
                inputs += [np.zeros(lookback), filled]
                targets += [np.zeros(lookback), values]
                start += lookback + len(values)
        if not all_ends:
            raise DatasetError(
                f"No training series is longer than {horizon} values, the horizon. Add values, or "
                "choose a smaller horizon."
            )
        self._first = np.array(first)
        self._counts = np.array([len(ends) for ends in all_ends])
        self._ends = np.concatenate(all_ends)
        self._inputs = np.concatenate(inputs)
        self._targets = np.concatenate(targets)

    def draw(self, generator, count):
        """Draws windows.

        Args:
            generator: `numpy.random.Generator`.
            count: int.

        Returns:
            `(series, padding_mask, targets)`: float64 `[count, lookback]`, bool
            `[count, lookback]` and float64 `[count, horizon]`.
        """
        rows = generator.integers(0, len(self._first), count)
        chosen = generator.integers(0, self._counts[rows])
        ends = self._ends[(np.cumsum(self._counts) - self._counts)[rows] + chosen]
        # Each series is preceded by as many zeros as a window has values.
        places = self._first[rows] + ends
        windows = places[:, None] + self._steps
        series = self._inputs[windows[:, : self._lookback]]
        mask = self._steps[: self._lookback] >= (self._lookback - ends)[:, None]
        return series, mask, self._targets[windows[:, self._lookback :]]


def _ends(values, horizon, least):
    """The indices of first targets of the windows without a missing target."""
    ends = np.arange(1, len(values) - horizon + 1)
    if len(ends) > least:
        ends = ends[least:]
    missing = np.r_[0, np.cumsum(~np.isfinite(values))]
    return ends[missing[ends + horizon] == missing[ends]]
