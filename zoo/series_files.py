"""CSV files of time series: a column of values, or the columns `unique_id`, `ds` and `y`."""

import calendar
import collections
import csv
import dataclasses
import datetime
import io
import math

import numpy as np

from zoo.files import read_bytes

LARGEST = float(np.finfo("float32").max)  # models compute in float32
LONG = ("unique_id", "ds", "y")
MISSING = ("", "nan", "na", "null", "none")
MONTHS = {"MS": 1, "ME": 1, "M": 1, "QS": 3, "QE": 3, "Q": 3, "YS": 12, "YE": 12, "Y": 12}


@dataclasses.dataclass(frozen=True)
class Series:
    """A time series.

    Attributes:
        unique_id: its name, a str; `""` if the file names none.
        times: the time of each value: list of `datetime.datetime` or of int, None if the file has
            no times.
        values: float64 array `[time]`; NaN is a missing value.
    """

    unique_id: str
    times: list | None
    values: np.ndarray


def read_series(path):
    """Reads the series of a CSV file.

    The file has one column of values, with or without a header; or a header with the columns
    `ds` and `y`, and `unique_id` for several series, whose rows may be interleaved. `ds` is a date
    or time in ISO 8601, or a whole number, and increases within a series. An empty value, or NaN,
    is a missing value.

    Args:
        path: str.

    Returns:
        A list of `Series`, in the order in which the file first names them.

    Raises:
        OSError: The file can't be read.
        ValueError: The file isn't UTF-8 or such a CSV file; the message names the line.
    """
    if not str(path):
        raise ValueError("This model takes CSV files: give a path. Received an empty line.")
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} isn't UTF-8: {error}. Save it as UTF-8.") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        rows = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num}: {error}. Is a double quote left open?"
        ) from error
    if not rows:
        raise ValueError(f"{path} is empty. Write a column of values into it.")
    header = [name.strip() for name in rows[0][1]]
    if len(header) == 1 and header[0] != "y":
        found = [_column(path, rows)]
    elif {"ds", "y"} <= set(header):
        found = _long(path, header, rows[1:])
    elif header == ["y"]:
        found = [_column(path, rows)]
    else:
        raise ValueError(
            f"{path} needs one column of values, or the columns unique_id, ds and y in its first "
            f"line. Received: {', '.join(header)}."
        )
    return found


def _column(path, rows):
    """The `Series` of a file of one column, which may have a name."""
    for line, row in rows:
        if len(row) != 1:
            raise ValueError(f"{path}, line {line}: {len(row)} fields, but the first line has 1.")
    try:
        _number(path, *rows[0])
    except ValueError:
        if len(rows) == 1:
            raise
        rows = rows[1:]
    return Series("", None, np.array([_number(path, line, row) for line, row in rows]))


def _number(path, line, row, column=0):
    text = row[column].strip()
    if text.lower() in MISSING:
        return math.nan
    try:
        number = float(text)
    except ValueError:
        number = math.inf
    if not abs(number) <= LARGEST:
        raise ValueError(
            f"{path}, line {line}: a value must be a finite number of at most {LARGEST:.1e}, or "
            f"empty if it is missing. Received: {text[:100]!r}"
        )
    return number


def _long(path, header, rows):
    """The `Series` of the rows of a file with the columns `ds` and `y`."""
    if len(set(header)) < len(header):
        raise ValueError(f"{path}: a column is named twice. Received: {', '.join(header)}.")
    places = {name: header.index(name) for name in LONG if name in header}
    if not rows:
        raise ValueError(f"{path} has a header but no values. Add a line for each value.")
    times, values = {}, {}
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"{path}, line {line}: {len(row)} fields, but the header has {len(header)}."
            )
        name = row[places["unique_id"]].strip() if "unique_id" in places else ""
        if "unique_id" in places and not name:
            raise ValueError(f"{path}, line {line}: the unique_id is missing.")
        time = _time(path, line, row[places["ds"]].strip())
        earlier = times.setdefault(name, [])
        _check_order(path, line, name, earlier, time)
        earlier.append(time)
        values.setdefault(name, []).append(_number(path, line, row, places["y"]))
    return [Series(name, times[name], np.array(values[name])) for name in times]


def _time(path, line, text):
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{path}, line {line}: ds must be a date or time such as 2024-01-31 or "
            f"2024-01-31 23:00:00, or a whole number. Received: {text!r}"
        ) from None


def _check_order(path, line, name, earlier, time):
    if not earlier:
        return
    of = f" of {name!r}" if name else ""
    last = earlier[-1]
    try:
        is_later, is_same = time > last, time == last
    except TypeError:  # a number and a date, or times with and without a zone
        raise ValueError(
            f"{path}, line {line}: the times{of} are of different kinds: {last} and {time}."
        ) from None
    if is_same:
        raise ValueError(
            f"{path}, line {line}: the time {time}{of} appears twice. Keep one value for each time."
        )
    if not is_later:
        raise ValueError(
            f"{path}, line {line}: the time {time}{of} comes after {last}. Sort the lines by ds."
        )


def next_times(series, count, frequency, path):
    """The times that follow those of a series.

    Args:
        series: `Series`.
        count: int.
        frequency: str or None, the time between values as pandas names it. Months, quarters and
            years follow the calendar; any other step is the most frequent one of the series.
        path: str, the file of the series, for error messages.

    Returns:
        A list of `count` datetimes or ints; 1, 2, ... if the series has no times.

    Raises:
        ValueError: A single time doesn't give the step, or the times exceed the calendar.
    """
    if series.times is None:
        return list(range(1, count + 1))
    last = series.times[-1]
    months = MONTHS.get((frequency or "").split("-")[0])
    if months and isinstance(last, datetime.datetime):
        is_end = all(_is_month_end(time) for time in series.times)
        return [_months_later(last, months * k, is_end) for k in range(1, count + 1)]
    pairs = zip(series.times, series.times[1:], strict=False)
    steps = [later - earlier for earlier, later in pairs]
    if not steps and isinstance(last, int):
        steps = [1]
    if not steps:
        step = {"h": "hours", "D": "days", "W": "weeks", "min": "minutes"}.get(frequency)
        if step is None:
            raise ValueError(
                f"{path}: a single time doesn't give the time between values. Add one."
            )
        steps = [datetime.timedelta(**{step: 1})]
    ((step, _),) = collections.Counter(steps).most_common(1)
    try:
        return [last + step * k for k in range(1, count + 1)]
    except OverflowError as error:
        raise ValueError(f"{path}: the times after {last} are beyond the calendar.") from error


def _is_month_end(time):
    return time.day == calendar.monthrange(time.year, time.month)[1]


def _months_later(time, months, is_end):
    month = time.month - 1 + months
    year, month = time.year + month // 12, month % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return time.replace(year=year, month=month, day=last if is_end else min(time.day, last))


def time_text(time):
    """A time as in a CSV file: ISO 8601, only the date if it is midnight."""
    if not isinstance(time, datetime.datetime):
        return str(time)
    is_midnight = time.time() == datetime.time() and time.tzinfo is None
    return time.date().isoformat() if is_midnight else time.isoformat(" ")
