"""A folder of series in long format."""

import numpy as np
import pytest

from zoo.datasets import folder
from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.time_series import TimeSeries


def table(values, name="a", header=True, start=0):
    lines = [f"{name},{start + step},{value}" for step, value in enumerate(values)]
    return "\n".join([*(["unique_id,ds,y"] if header else []), *lines, ""])


def examples(path):
    layout = folder.layout_of(path)
    assert isinstance(layout, TimeSeries)
    splits = {}
    for split, example in layout.examples(path):
        splits.setdefault(split, {})[example["id"]] = example
    return splits


def test_the_ends_of_each_series_validate_and_test(tmp_path):
    text = table(range(20)) + table(range(50), "b", header=False)
    (tmp_path / "train.csv").write_text(text)
    splits = examples(tmp_path)
    origins = {
        split: {name: (one["origin"], len(one["series"])) for name, one in of_split.items()}
        for split, of_split in splits.items()
    }
    assert origins == {
        "train": {"a": (0, 16), "b": (0, 40)},
        "validation": {"a": (16, 18), "b": (40, 45)},
        "test": {"a": (18, 20), "b": (45, 50)},
    }
    one = splits["test"]["b"]
    np.testing.assert_array_equal(one["series"], np.arange(50))
    # The shortest test part has two values.
    assert (one["horizon"], one["period"], one["frequency"], one["metric"]) == (2, 1, "", "mase")


def test_the_season_follows_from_the_times(tmp_path):
    hours = [f"2024-01-{1 + hour // 24:02d} {hour % 24:02d}:00" for hour in range(600)]
    lines = "\n".join(f"{time},{number}" for number, time in enumerate(hours))
    (tmp_path / "train.csv").write_text(f"ds,y\n{lines}\n")
    one = examples(tmp_path)["test"][""]
    assert (one["frequency"], one["period"], one["horizon"]) == ("h", 24, 48)


def test_files_of_their_own_continue_the_series(tmp_path):
    (tmp_path / "train.csv").write_text(table([1, 2, 3]))
    (tmp_path / "validation.csv").write_text(table([4, 5], start=3))
    (tmp_path / "test.csv").write_text(table([6, 7, 8], start=5))
    one = examples(tmp_path)["test"]["a"]
    assert (one["origin"], one["horizon"], one["series"].tolist()) == (
        5,
        3,
        [1, 2, 3, 4, 5, 6, 7, 8],
    )


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "unique_id,ds,y\na,1,one\n"}, r"train\.csv, line 2: a value must be"),
        ({"train": table([""] * 8 + [1, 2])}, "the series 'a' has no value to train on"),
        ({"train": table([1, 2, 3])}, "the series 'a' has 3 values, and at least 5"),
        ({"train": table([1, 2]), "test": table([3])}, "Give validation.csv and test.csv"),
        (
            {"train": table([1]), "validation": table([2], start=1), "test": table([3], "b")},
            r"test\.csv must continue .* lacks the series 'a'",
        ),
        (
            {"train": table([1]), "validation": table([2]), "test": table([3], start=2)},
            r"validation\.csv: the series 'a' starts at 0, which doesn't follow 0",
        ),
    ],
)
def test_broken_files_are_named(tmp_path, files, message):
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(FolderError, match=message):
        examples(tmp_path)


def test_a_table_of_texts_is_no_series(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\ngood,1\n")
    assert not TimeSeries().recognises(tmp_path)


def test_the_folder_becomes_a_dataset(tmp_path, monkeypatch):
    from zoo import datasets

    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.csv").write_text(table([1, "", 3, *range(17)]))
    data = datasets.read(datasets.builder(str(tmp_path / "mine")), "validation")
    np.testing.assert_array_equal(data["series"][0][:4], [1, np.nan, 3, 0])
    assert (data["origin"], data["horizon"]) == ([16], [2])
