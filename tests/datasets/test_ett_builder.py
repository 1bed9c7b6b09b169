"""Tests of the base of the transformers' datasets, on each of them."""

import dataclasses
import hashlib
import importlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets import ett_builder
from zoo.datasets.errors import DatasetError

# The first temperatures of each one's dummy table.
FIRST = {"etth1": [28.425, 29.231, 23.913], "etth2": [29.868, 26.785, 22.135]}


def module_of(name):
    return importlib.import_module(f"zoo.datasets.{name}.{name}_dataset_builder")


def small(name):
    """Contexts with months of two hours, in which the dummy table has the expected hash."""
    file = module_of(name).Builder.FILE
    hash = hashlib.sha256(table(name).read_bytes()).hexdigest()
    return [
        mock.patch.multiple(ett_builder, TRAIN=36, VALIDATION=12, TEST=12),
        mock.patch.object(module_of(name).Builder, "FILE", dataclasses.replace(file, sha256=hash)),
    ]


def table(name):
    file = module_of(name).Builder.FILE
    return Path(module_of(name).__file__).parent / "dummy_data" / file.name


class _Case(tfds.testing.DatasetBuilderTestCase):
    BUILDER_CONFIG_NAMES_TO_TEST = ("h24",)
    SPLITS = {"train": 2, "validation": 2, "test": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for context in small(cls.DATASET_CLASS.name):
            cls.enterClassContext(context)


class ETTh1Test(_Case):
    DATASET_CLASS = module_of("etth1").Builder


class ETTh2Test(_Case):
    DATASET_CLASS = module_of("etth2").Builder


del _Case


@pytest.fixture(params=FIRST)
def name(request, tmp_path, monkeypatch):
    """A dataset that is prepared into an empty cache, with its dummy table at every address."""
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    download = mock.patch.object(
        tfds.download.DownloadManager, "download", return_value=table(request.param)
    )
    with download:
        yield request.param


def test_splits_follow_each_other_and_what_is_later_is_left_out(name):
    months, file = small(name)
    with months, file:
        builder = datasets.builder(f"{name}/h96")
    ends = {"train": (0, 36), "validation": (36, 48), "test": (48, 60)}
    for split, (origin, end) in ends.items():
        data = datasets.read(builder, split)
        assert sorted(data["id"]) == ["HUFL", "OT"]
        assert set(data["origin"]) == {origin}
        assert {len(values) for values in data["series"]} == {end}
        assert set(data["horizon"]) == {96}
        values = data["series"][data["id"].index("OT")]
        np.testing.assert_array_equal(values[:3], np.array(FIRST[name], "float32"))


def test_another_file_is_an_error_that_names_it(name):
    months, _ = small(name)
    original = table(name).name.replace(".", r"\.")
    with months, pytest.raises(DatasetError, match=f"isn't the original {original}"):
        datasets.builder(f"{name}/h24")
