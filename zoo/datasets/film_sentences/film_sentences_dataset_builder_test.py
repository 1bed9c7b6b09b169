"""Tests of the dataset `film_sentences`."""

import collections

import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets.film_sentences import film_sentences_dataset_builder as module


class FilmSentencesTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    # TFDS asks for a folder of dummy data even if the builder downloads no file.
    EXAMPLE_DIR = module.Builder.SENTENCES.parent
    SPLITS = {"test": 60}


def test_each_phenomenon_is_as_often_positive_as_negative(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    test = datasets.read(datasets.builder("film_sentences"), "test")
    assert len(set(test["text"])) == 60
    counts = collections.Counter(zip(test["phenomenon"], test["label"], strict=True))
    assert set(counts) == {
        (one, label) for one in ("negation", "contrast", "irony") for label in (0, 1)
    }
    assert set(counts.values()) == {10}
