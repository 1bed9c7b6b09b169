"""Tests of the dataset `spoken_arabic_digits`."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from zoo import datasets
from zoo.datasets import testing
from zoo.datasets.errors import DatasetError
from zoo.datasets.spoken_arabic_digits import spoken_arabic_digits_dataset_builder as module

DUMMY = Path(module.__file__).parent / "dummy_data" / module.ARCHIVE.name


class SpokenArabicDigitsTest(testing.ArchiveTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 60, "validation": 10, "test": 10}
    OVERLAPPING_SPLITS = []


def as_downloaded(folder):
    """The dummy archive as its address leads to it: in a folder named after the commit."""
    path = folder / "downloaded.tar.gz"
    with tarfile.open(DUMMY) as packed, tarfile.open(path, "w:gz") as archive:
        for name in packed.getnames():
            split, digit = Path(name).stem.split("_")
            place = (
                f"Digit_Data/digit_{digit}"
                if split == "train"
                else (f"Test_Digit_Data/digit_{digit}_test")
            )
            content = packed.extractfile(name).read().replace(b"\n", b"\r\n")
            member = tarfile.TarInfo(f"Predicting-Digit-{module.COMMIT}/Data/{place}.csv")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_repository_is_downloaded_where_there_is_no_archive(tmp_path):
    path = as_downloaded(tmp_path)
    with testing.dummy_archive(module), testing.downloads(tmp_path, return_value=path):
        builder = datasets.builder("spoken_arabic_digits")
    speakers = {
        split: set(datasets.read(builder, split)["speaker"])
        for split in ("train", "validation", "test")
    }
    assert speakers["train"] == {f"train_{number:02d}" for number in (0, 1, 2, 4, 5, 6)}
    assert speakers["validation"] == {"train_03"}
    assert speakers["test"] == {"test_00"}
    train = datasets.read(builder, "train")
    assert set(train["label"]) == {4}
    assert {frames.shape for frames in train["frames"]} == {(2, 13)}


def test_an_empty_line_ends_an_utterance():
    line = ",".join(map(str, range(13)))
    found = module.utterances(f"{line}\n{line}\n \n\n{line}\n")
    assert [frames.shape for frames in found] == [(2, 13), (1, 13)]
    np.testing.assert_array_equal(found[1][0], np.arange(13, dtype="float32"))


@pytest.mark.parametrize(
    ("line", "message"), [("1,2", "13 coefficients. Received: 2"), ("1,a", "must be numbers")]
)
def test_a_frame_of_something_else_is_an_error(line, message):
    with pytest.raises(DatasetError, match=message):
        module.utterances(line)
