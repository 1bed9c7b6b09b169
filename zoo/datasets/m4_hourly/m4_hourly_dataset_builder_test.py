"""Tests of the dataset `m4_hourly`."""

import dataclasses
import hashlib
from pathlib import Path
from unittest import mock

import pytest
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets.errors import DatasetError
from zoo.datasets.m4_hourly import m4_hourly_dataset_builder as module

DUMMY = Path(module.__file__).parent / "dummy_data"
DOWNLOADS = {file.url: DUMMY / file.name for file in module.FILES.values()}


def dummy_files():
    """Returns a context in which the builder expects the hashes of the dummy files."""
    files = {
        part: dataclasses.replace(
            file, sha256=hashlib.sha256(DOWNLOADS[file.url].read_bytes()).hexdigest()
        )
        for part, file in module.FILES.items()
    }
    return mock.patch.object(module, "FILES", files)


class M4HourlyTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 2, "validation": 2, "test": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(dummy_files())


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """Prepares into an empty cache, with the dummy files at their addresses."""
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with mock.patch.object(
        tfds.download.DownloadManager, "download", side_effect=DOWNLOADS.__getitem__
    ):
        yield


def test_the_official_test_values_follow_the_training_values(downloads):
    with dummy_files():
        builder = datasets.builder("m4_hourly")
    expected = {
        "train": {"H1": (0, [1, 2, 3, 4.5, 5, 6]), "H2": (0, [3, 1, 4, 1])},
        "validation": {"H1": (6, [1, 2, 3, 4.5, 5, 6, 7, 8]), "H2": (4, [3, 1, 4, 1, 5, 9])},
        "test": {
            "H1": (8, [1, 2, 3, 4.5, 5, 6, 7, 8, 9, 10]),
            "H2": (6, [3, 1, 4, 1, 5, 9, 2, 6]),
        },
    }
    for split, series in expected.items():
        data = datasets.read(builder, split)
        found = zip(data["id"], data["origin"], data["series"], strict=True)
        assert {name: (origin, values.tolist()) for name, origin, values in found} == series
        assert set(data["horizon"]) == {2}


def test_another_file_is_an_error_that_names_it(downloads):
    with pytest.raises(DatasetError, match=r"isn't the original M4-Hourly-train\.csv"):
        datasets.builder("m4_hourly")
