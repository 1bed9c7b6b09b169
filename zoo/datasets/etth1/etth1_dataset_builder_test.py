"""Tests of the dataset `etth1`."""

import dataclasses
import hashlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets import ett_builder
from zoo.datasets.errors import DatasetError
from zoo.datasets.etth1 import etth1_dataset_builder as module

DUMMY = Path(module.__file__).parent / "dummy_data"
TABLE = DUMMY / "ETTh1.csv"


def small_splits():
    """Returns a context with months of two hours."""
    return mock.patch.multiple(ett_builder, TRAIN=36, VALIDATION=12, TEST=12)


def dummy_file():
    """Returns a context in which the builder expects the hash of the dummy file."""
    file = dataclasses.replace(
        module.Builder.FILE, sha256=hashlib.sha256(TABLE.read_bytes()).hexdigest()
    )
    return mock.patch.object(module.Builder, "FILE", file)


class ETTh1Test(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ("h24",)
    SPLITS = {"train": 2, "validation": 2, "test": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(small_splits())
        cls.enterClassContext(dummy_file())


@pytest.fixture
def downloads(tmp_path, monkeypatch):
    """Prepares into an empty cache, with the dummy file at every address."""
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with mock.patch.object(tfds.download.DownloadManager, "download", return_value=TABLE):
        yield


def test_splits_follow_each_other_and_what_is_later_is_left_out(downloads):
    with small_splits(), dummy_file():
        builder = datasets.builder("etth1/h96")
    ends = {"train": (0, 36), "validation": (36, 48), "test": (48, 60)}
    for split, (origin, end) in ends.items():
        data = datasets.read(builder, split)
        assert sorted(data["id"]) == ["HUFL", "OT"]
        assert set(data["origin"]) == {origin}
        assert {len(values) for values in data["series"]} == {end}
        assert set(data["horizon"]) == {96}
        values = data["series"][data["id"].index("OT")]
        np.testing.assert_array_equal(values[:3], np.array([28.425, 29.231, 23.913], "float32"))


def test_another_file_is_an_error_that_names_it(downloads):
    with small_splits(), pytest.raises(DatasetError, match=r"isn't the original ETTh1\.csv"):
        datasets.builder("etth1/h24")
