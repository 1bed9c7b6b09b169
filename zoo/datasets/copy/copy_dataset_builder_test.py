"""Tests of the dataset `copy`."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo.datasets import gap_builder
from zoo.datasets.copy import copy_dataset_builder as module


class CopyTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    # TFDS asks for a folder of dummy data even if the builder reads no file.
    EXAMPLE_DIR = Path(module.__file__).parent
    SPLITS = {"validation_10": 3, "validation_20": 3, "test_10": 3, "test_20": 3}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(mock.patch.multiple(gap_builder, GAPS=(10, 20), EXAMPLES=3))


@pytest.mark.parametrize("gap", [1, 10, 100])
def test_a_sequence_is_its_symbols_blanks_the_delimiter_and_blanks(gap):
    drawn = module.draw(np.random.default_rng(0), 100, gap)
    for symbols, copied in zip(drawn["symbols"], drawn["copied"], strict=True):
        assert len(copied) == 10
        assert symbols == copied + "." * (gap - 1) + ":" + "." * 10
        assert len(symbols) == gap + 20


def test_symbols_are_equally_frequent_at_each_position():
    copied = module.draw(np.random.default_rng(0), 8000, 10)["copied"]
    for letters in zip(*copied, strict=True):
        shares = [letters.count(symbol) / 8000 for symbol in "abcdefgh"]
        np.testing.assert_allclose(shares, 1 / 8, atol=0.015)
