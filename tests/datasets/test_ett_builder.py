"""Tests of the base of the transformers' datasets, on each of them."""

import importlib
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets import testing
from zoo.datasets.errors import DatasetError

# The first temperatures of each one's dummy table.
FIRST = {"etth1": [28.425, 29.231, 23.913], "etth2": [29.868, 26.785, 22.135]}


def builder_of(name):
    return importlib.import_module(f"zoo.datasets.{name}.{name}_dataset_builder").Builder


@pytest.fixture(params=FIRST)
def name(request, tmp_path, monkeypatch):
    """A dataset that is prepared into an empty cache, with its dummy table at every address."""
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    download = mock.patch.object(
        tfds.download.DownloadManager,
        "download",
        return_value=testing.dummy_table(builder_of(request.param)),
    )
    with download:
        yield request.param


def test_splits_follow_each_other_and_what_is_later_is_left_out(name):
    months, file = testing.small_ett(builder_of(name))
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
    months, _ = testing.small_ett(builder_of(name))
    original = builder_of(name).FILE.name.replace(".", r"\.")
    with months, pytest.raises(DatasetError, match=f"isn't the original {original}"):
        datasets.builder(f"{name}/h24")
