"""Tests of the dataset `everyday_german`."""

import collections

import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets.everyday_german import everyday_german_dataset_builder as module


class EverydayGermanTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    # TFDS asks for a folder of dummy data even if the builder downloads no file.
    EXAMPLE_DIR = module.Builder.SENTENCES.parent
    SPLITS = {"test": 50}


def test_there_are_ten_sentences_of_each_kind(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    test = datasets.read(datasets.builder("everyday_german"), "test")
    assert len(set(test["source"])) == len(set(test["target"])) == 50
    assert set(collections.Counter(test["kind"]).values()) == {10}
