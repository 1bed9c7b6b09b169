"""Tests of the dataset `temporal_order`."""

import re
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo.datasets import gap_builder
from zoo.datasets.temporal_order import temporal_order_dataset_builder as module


class TemporalOrderTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    # TFDS asks for a folder of dummy data even if the builder reads no file.
    EXAMPLE_DIR = Path(module.__file__).parent
    SPLITS = {"validation_20": 3, "validation_50": 3, "test_20": 3, "test_50": 3}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(mock.patch.multiple(gap_builder, GAPS=(20, 50), EXAMPLES=3))


@pytest.mark.parametrize("gap", [10, 15, 100])
def test_a_sequence_is_two_relevant_symbols_among_distractors(gap):
    drawn = module.draw(np.random.default_rng(0), 500, gap)
    for symbols in drawn["symbols"]:
        assert len(symbols) == gap
        assert re.fullmatch("E[abcd]*[XY][abcd]*[XY][abcd]*B", symbols)


@pytest.mark.parametrize(
    ("gap", "first", "second"),
    [
        (10, {1, 2}, {5, 6}),
        (15, {1, 2, 3}, {7, 8, 9}),
        (100, set(range(10, 21)), set(range(50, 61))),
    ],
)
def test_the_positions_grow_with_the_gap(gap, first, second):
    drawn = module.draw(np.random.default_rng(0), 500, gap)
    pairs = [
        [match.start() for match in re.finditer("[XY]", symbols)] for symbols in drawn["symbols"]
    ]
    assert {pair[0] for pair in pairs} == first
    assert {pair[1] for pair in pairs} == second


def test_the_label_names_the_relevant_symbols_in_order():
    drawn = module.draw(np.random.default_rng(0), 500, 20)
    for symbols, label in zip(drawn["symbols"], drawn["label"], strict=True):
        assert isinstance(label, int)
        assert module.LABELS[label] == re.sub("[^XY]", "", symbols)


def test_labels_and_distractors_are_equally_frequent():
    drawn = module.draw(np.random.default_rng(0), 4000, 20)
    np.testing.assert_allclose(np.bincount(drawn["label"]) / 4000, 1 / 4, atol=0.02)
    text = "".join(drawn["symbols"])
    shares = [text.count(letter) / (4000 * 16) for letter in "abcd"]
    np.testing.assert_allclose(shares, 1 / 4, atol=0.01)


def test_a_gap_without_a_place_for_each_symbol_is_an_error():
    with pytest.raises(ValueError, match=r"at least 10.* Received: 9$"):
        module.draw(np.random.default_rng(0), 1, 9)
