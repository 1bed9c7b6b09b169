"""Time series: one CSV file in long format per split, for forecasting."""

import csv
import datetime

import numpy as np

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.layout import SPLITS, Layout
from zoo.series_files import Series, read_series

# By the shortest and longest step in hours: the name in pandas, the length of a season, and the
# horizon of the M4 competition.
FREQUENCIES = [
    (1, 1, "h", 24, 48),
    (24, 24, "D", 7, 14),
    (7 * 24, 7 * 24, "W", 52, 13),
    (28 * 24, 31 * 24, "MS", 12, 18),
    (89 * 24, 92 * 24, "QS", 4, 8),
    (365 * 24, 366 * 24, "YS", 1, 6),
]
OTHER = ("", 1, 14)
PART = 10  # one in so many values of a series is for validation, and one for test
LEAST = 5  # values of a series


class TimeSeries(Layout):
    """`train.csv` with the columns `unique_id`, `ds` and `y`; see `zoo.series_files.read_series`.

    `validation.csv` and `test.csv` continue the series of `train.csv`. Without both, the last tenth
    of each series is for test, and the tenth before it for validation. The season is derived from
    the time between values, and the horizon is that of the M4 competition, or the length of the
    shortest test part.
    """

    description = "train.csv with the columns unique_id, ds and y"
    endings = (".csv",)
    ordered = True

    def recognises(self, folder):
        path = folder / "train.csv"
        if not path.is_file():
            return False
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            header = next(csv.reader(file), [])
        return {"ds", "y"} <= {name.strip() for name in header}

    def examples(self, folder):
        from zoo.datasets import series_builder

        parts = [_read(folder / f"{split}.csv") for split in SPLITS]
        found = [split for split, part in zip(SPLITS, parts, strict=True) if part is not None]
        if len(found) == 2:
            raise FolderError(
                f"{folder} has {found[1]}.csv. Give validation.csv and test.csv, which continue "
                "the series of train.csv, or neither."
            )
        if len(found) == 1:
            starts = {name: _tenths(folder, name, one) for name, one in parts[0].items()}
            series = parts[0]
        else:
            series, starts = _joined(folder, parts)
        values = {name: one.values for name, one in series.items()}
        for name, (validation, _) in starts.items():
            if np.isnan(values[name][:validation]).all():
                raise FolderError(
                    f"{folder / 'train.csv'}: the series {name!r} has no value to train on. Leave "
                    "it out."
                )
        frequency, period, horizon = _frequency(series.values())
        shortest = min(len(values[name]) - start for name, (_, start) in starts.items())
        facts = {
            "horizon": max(1, min(horizon, shortest)),
            "period": period,
            "frequency": frequency,
            "metric": "mase",
        }
        for name, (validation, test) in starts.items():
            divided = series_builder.divided(
                {name: values[name]}, lambda _, v=validation: v, lambda _, t=test: t, **facts
            )
            for split, (example,) in divided.items():
                yield split, example

    def features(self, examples):
        from zoo.datasets import series_builder

        return series_builder.features()

    def tenths(self, examples):
        """Returns a number for each; no split is missing, since all series are divided in time."""
        return [0] * len(examples)


def _read(path):
    """The `Series` of a file by their names; None if there is no such file."""
    if not path.is_file():
        return None
    try:
        return {one.unique_id: one for one in read_series(path)}
    except ValueError as error:
        raise FolderError(str(error)) from error


def _tenths(folder, name, one):
    """The indices of the first values for validation and test."""
    count = len(one.values)
    if count < LEAST:
        raise FolderError(
            f"{folder / 'train.csv'}: the series {name!r} has {count} values, and at least {LEAST} "
            "are needed. Add values, or leave the series out."
        )
    part = max(1, count // PART)
    return count - 2 * part, count - part


def _joined(folder, parts):
    """The series of three files, and the indices of the first values for validation and test."""
    train, *rest = parts
    for split, part in zip(SPLITS[1:], rest, strict=True):
        if part.keys() != train.keys():
            name = sorted(part.keys() ^ train.keys())[0]
            raise FolderError(
                f"{folder / split}.csv must continue the series of train.csv. One of them lacks "
                f"the series {name!r}."
            )
    series, starts = {}, {}
    for name, one in train.items():
        pieces = [part[name] for part in parts]
        for split, earlier, later in zip(SPLITS[1:], pieces, pieces[1:], strict=False):
            if type(later.times[0]) is not type(earlier.times[-1]) or not (
                later.times[0] > earlier.times[-1]
            ):
                raise FolderError(
                    f"{folder / split}.csv: the series {name!r} starts at {later.times[0]}, which "
                    f"doesn't follow {earlier.times[-1]}, the end of the file before."
                )
        starts[name] = len(one.values), len(one.values) + len(pieces[1].values)
        series[name] = _concatenated(pieces)
    return series, starts


def _concatenated(pieces):
    times = [time for piece in pieces for time in piece.times]
    return Series(pieces[0].unique_id, times, np.concatenate([piece.values for piece in pieces]))


def _frequency(series):
    """The name in pandas, length of a season and horizon, by the most frequent step."""
    steps = []
    for one in series:
        steps += [
            later - earlier
            for earlier, later in zip(one.times, one.times[1:], strict=False)
            if isinstance(later, datetime.datetime)
        ]
    if not steps:
        return OTHER
    hours = sorted(steps)[len(steps) // 2] / datetime.timedelta(hours=1)
    for low, high, *facts in FREQUENCIES:
        if low <= hours <= high:
            return tuple(facts)
    return OTHER
