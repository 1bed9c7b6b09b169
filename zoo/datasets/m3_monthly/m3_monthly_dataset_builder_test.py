"""Tests of the dataset `m3_monthly`."""

import numpy as np

from zoo import datasets
from zoo.datasets import testing
from zoo.datasets.m3_monthly import m3_monthly_dataset_builder as module


class M3MonthlyTest(testing.BuilderTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 2, "validation": 2, "test": 2}


def test_only_monthly_series_are_kept_and_the_last_values_are_held_out(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with testing.dummy_data(module):
        builder = datasets.builder("m3_monthly")
        splits = {split: datasets.read(builder, split) for split in builder.info.splits}
    horizon = 2
    for split, held_out in (("train", 2), ("validation", 1), ("test", 0)):
        data = splits[split]
        lengths = dict(zip(data["id"], map(len, data["series"]), strict=True))
        assert lengths == {"S0": 14 - held_out * horizon, "S2": 20 - held_out * horizon}
        assert set(data["horizon"]) == {horizon}
        assert set(data["period"]) == {12}
        assert set(data["metric"]) == {"smape"}
    by_name = dict(zip(splits["test"]["id"], splits["test"]["series"], strict=True))
    assert by_name["S0"].dtype == np.float32
    np.testing.assert_array_equal(by_name["S0"][:3], np.array([16.68, 10.01, 14.94], "float32"))
    origins = dict(zip(splits["test"]["id"], splits["test"]["origin"], strict=True))
    assert origins == {"S0": 14 - horizon, "S2": 20 - horizon}
