"""CSV files of series: what is read, what is refused at which line, and the times that follow."""

import datetime

import numpy as np
import pytest

from zoo import series_files


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "series.csv"
    path.write_bytes(text.encode(encoding))
    return series_files.read_series(str(path))


@pytest.mark.parametrize(
    "text", ["1\n2.5\n\n4\n", "y\n1\n2.5\n4", "\ufeffvalue\r\n1\r\n2.5\r\n4\r\n"]
)
def test_a_column_of_values_may_have_a_name(tmp_path, text):
    (one,) = read(tmp_path, text)
    np.testing.assert_array_equal(one.values, [1, 2.5, 4])
    assert (one.unique_id, one.times) == ("", None)


def test_missing_values_are_nan(tmp_path):
    (one,) = read(tmp_path, 'ds,y\n1,\n2,NaN\n3,"7"\n')
    np.testing.assert_array_equal(one.values, [np.nan, np.nan, 7])
    (one,) = read(tmp_path, 'y\n3\n""\nna\n')
    np.testing.assert_array_equal(one.values, [3, np.nan, np.nan])


def test_the_long_format_holds_several_series_in_any_order_of_columns(tmp_path):
    found = read(tmp_path, "y,unique_id,ds,extra\n1,b,2024-01-01,x\n5,a,7,x\n2,b,2024-02-01,x\n")
    assert [one.unique_id for one in found] == ["b", "a"]
    np.testing.assert_array_equal(found[0].values, [1, 2])
    assert found[0].times == [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 2, 1)]
    assert found[1].times == [7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("value\n", "line 1: a value must be a finite number"),
        ("1\ntwo\n", "line 2: .* Received: 'two'"),
        ("1\ninf\n", "line 2: .* Received: 'inf'"),
        ("1\n-1e39\n", "line 2: .* of at most 3.4e.38.* Received: '-1e39'"),
        ("1\n2,3\n", "line 2: 2 fields"),
        ("a,b\n1,2\n", "needs one column of values, or the columns unique_id, ds and y"),
        ("ds,y\n", "has a header but no values"),
        ("ds,y\n1,2,3\n", "line 2: 3 fields, but the header has 2"),
        ("ds,y,y\n1,2,3\n", "a column is named twice"),
        ("ds,y\n1,two\n", "line 2: a value must be a finite number"),
        ("ds,y\nyesterday,2\n", "line 2: ds must be a date or time"),
        ("ds,y\n2024-02-30,2\n", "line 2: ds must be a date or time"),
        ("unique_id,ds,y\n,1,2\n", "line 2: the unique_id is missing"),
        ("unique_id,ds,y\na,2,1\nb,1,1\na,1,1\n", "line 4: the time 1 of 'a' comes after 2"),
        ("ds,y\n1,1\n1,1\n", "line 3: the time 1 appears twice"),
        ("ds,y\n1,1\n2024-01-01,1\n", "line 3: the times are of different kinds"),
        ('ds,y\n1,"2\n', "Is a double quote left open"),
    ],
)
def test_a_broken_file_is_one_line_that_names_the_place(tmp_path, text, message):
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, text)
    assert len(str(error.value).splitlines()) == 1
    assert "series.csv" in str(error.value)


def test_another_encoding_is_named(tmp_path):
    with pytest.raises(ValueError, match="isn't UTF-8"):
        read(tmp_path, "größe\n1\n", "latin-1")


def following(times, frequency, count=3):
    series = series_files.Series("", times, np.zeros(len(times or [])))
    found = series_files.next_times(series, count, frequency, "series.csv")
    return [series_files.time_text(time) for time in found]


def dates(*texts):
    return [datetime.datetime.fromisoformat(text) for text in texts]


def test_times_that_follow():
    assert following(None, "h") == ["1", "2", "3"]
    assert following([3, 5, 7], None, 2) == ["9", "11"]
    assert following([3], "h", 2) == ["4", "5"]
    assert following(dates("2024-01-01 22:00", "2024-01-01 23:00"), None) == [
        "2024-01-02",
        "2024-01-02 01:00:00",
        "2024-01-02 02:00:00",
    ]
    # The most frequent step, since a value may be left out.
    days = dates("2024-02-25", "2024-02-27", "2024-02-28")
    assert following([*dates("2024-02-24"), *days], "D", 2) == ["2024-02-29", "2024-03-01"]


def test_months_are_those_of_the_calendar():
    assert following(dates("2023-11-01"), "MS") == ["2023-12-01", "2024-01-01", "2024-02-01"]
    assert following(dates("2023-12-31"), "MS") == ["2024-01-31", "2024-02-29", "2024-03-31"]
    assert following(dates("2023-10-30", "2023-11-30"), "MS") == [
        "2023-12-30",
        "2024-01-30",
        "2024-02-29",
    ]
    assert following(dates("2023-10-01"), "QS", 2) == ["2024-01-01", "2024-04-01"]


def test_one_time_tells_no_step():
    assert following(dates("2024-01-01"), "D", 1) == ["2024-01-02"]
    with pytest.raises(ValueError, match=r"series\.csv: a single time"):
        following(dates("2024-01-01"), None)
