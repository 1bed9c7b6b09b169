"""Tests of the dataset `adding`."""

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo.datasets import gap_builder
from zoo.datasets.adding import adding_dataset_builder as module


class AddingTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    # TFDS asks for a folder of dummy data even if the builder reads no file.
    EXAMPLE_DIR = Path(module.__file__).parent
    SPLITS = {"validation_10": 3, "validation_20": 3, "test_10": 3, "test_20": 3}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(mock.patch.multiple(gap_builder, GAPS=(10, 20), EXAMPLES=3))


@pytest.fixture(scope="module")
def drawn():
    return module.draw(np.random.default_rng(0), 1000, 10)


def test_values_are_numbers_and_marks(drawn):
    assert {values.shape for values in drawn["values"]} == {(10, 2)}
    assert {values.dtype for values in drawn["values"]} == {np.dtype("float32")}
    numbers, marks = np.moveaxis(drawn["values"], 2, 0)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.mean(numbers) == pytest.approx(1 / 2, abs=0.01)
    assert set(marks.flat) == {0, 1}


def test_each_half_has_one_mark_anywhere(drawn):
    marks = np.array(drawn["values"])[:, :, 1]
    np.testing.assert_array_equal(marks[:, :5].sum(1), 1)
    np.testing.assert_array_equal(marks[:, 5:].sum(1), 1)
    np.testing.assert_allclose(marks.mean(0), 1 / 5, atol=0.04)


def test_the_sum_is_that_of_the_marked_numbers(drawn):
    for values, total in zip(drawn["values"], drawn["sum"], strict=True):
        assert isinstance(total, float)
        assert total == values[values[:, 1] == 1, 0].sum()


def test_a_constant_has_a_mean_squared_error_of_one_sixth():
    sums = np.array(module.draw(np.random.default_rng(0), 20_000, 10)["sum"])
    assert np.mean((sums - 1) ** 2) == pytest.approx(1 / 6, rel=0.03)


def test_an_odd_gap_has_its_extra_step_in_the_second_half():
    marks = np.array(module.draw(np.random.default_rng(0), 100, 3)["values"])[:, :, 1]
    np.testing.assert_array_equal(marks[:, 0], 1)
    np.testing.assert_array_equal(marks[:, 1:].sum(1), 1)
