"""Tests of the dataset `rotten_tomatoes`."""

from zoo.datasets import testing
from zoo.datasets.rotten_tomatoes import rotten_tomatoes_dataset_builder


class RottenTomatoesTest(testing.BuilderTestCase):
    DATASET_CLASS = rotten_tomatoes_dataset_builder.Builder
    SPLITS = {"train": 5, "validation": 3, "test": 2}


def test_split_ignores_case_punctuation_and_spacing():
    split_of = rotten_tomatoes_dataset_builder.split_of
    for word in "abcdefghij":
        assert split_of(f"{word} tale , well told .") == split_of(
            f" {word.upper()} TALE (well  told)"
        )


def test_splits_hold_about_80_10_and_10_percent():
    splits = [rotten_tomatoes_dataset_builder.split_of(f"film {n}") for n in range(10_000)]
    assert 7_850 < splits.count("train") < 8_150
    assert 900 < splits.count("validation") < 1_100
    assert 900 < splits.count("test") < 1_100
