"""Tests of the dataset `spoken_arabic_digits`."""

import io
import shutil
import tarfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets.errors import DatasetError
from zoo.datasets.spoken_arabic_digits import spoken_arabic_digits_dataset_builder as module

DUMMY = Path(module.__file__).parent / "dummy_data" / module.ARCHIVE
DUMMY_SHA256 = "5bde0da6a47953e33966b502f7a622d9df55f44851a01f3721041bd6302fcf08"


def dummy_files():
    """Returns a context in which the builder expects the hash of the dummy files."""
    return mock.patch.object(module, "SHA256", DUMMY_SHA256)


class SpokenArabicDigitsTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 60, "validation": 10, "test": 10}
    OVERLAPPING_SPLITS = []

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(dummy_files())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return tmp_path


def downloads(**arguments):
    return mock.patch.object(tfds.download.DownloadManager, "download", **arguments)


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


def test_the_repository_is_downloaded_where_there_is_no_archive(cache):
    with dummy_files(), downloads(return_value=as_downloaded(cache)):
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


def test_an_archive_in_the_manual_folder_is_used_instead(cache):
    manual = cache / "tfds" / "downloads" / "manual"
    manual.mkdir(parents=True)
    shutil.copy(DUMMY, manual)
    with dummy_files(), downloads(side_effect=requests.ConnectionError):
        builder = datasets.builder("spoken_arabic_digits")
    assert builder.info.splits["train"].num_examples == 60


def test_an_archive_of_other_files_is_an_error_that_names_it(cache):
    path = as_downloaded(cache)
    with downloads(return_value=path), pytest.raises(DatasetError, match=r"downloaded.*SHA-256"):
        datasets.builder("spoken_arabic_digits")


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
