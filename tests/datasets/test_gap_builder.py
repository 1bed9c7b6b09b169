"""Tests of the base of generated datasets, on each of them."""

import importlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets import gap_builder

NAMES = ["adding", "copy", "temporal_order"]


def module_of(name):
    return importlib.import_module(f"zoo.datasets.{name}.{name}_dataset_builder")


@pytest.fixture(params=NAMES)
def module(request):
    return module_of(request.param)


@pytest.fixture
def prepared(module, tmp_path, monkeypatch):
    """The builder with few examples, prepared in an empty cache."""
    return prepare(module, tmp_path, monkeypatch)


def prepare(module, folder, monkeypatch):
    monkeypatch.setattr(gap_builder, "GAPS", (10, 30))
    monkeypatch.setattr(gap_builder, "EXAMPLES", 20)
    monkeypatch.setenv("ZOO_DATA_DIR", str(folder))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return datasets.builder(module.__name__.split(".")[-2])


def rows(columns):
    """Returns the examples of a split, sorted."""
    plain = [
        [value.tolist() if isinstance(value, np.ndarray) else value for value in column]
        for _, column in sorted(columns.items())
    ]
    return sorted(zip(*plain, strict=True))


def test_the_base_is_no_dataset():
    assert [module_of(name).Builder.name for name in NAMES] == NAMES
    known = tfds.list_builders(with_community_datasets=False)
    assert set(NAMES) <= set(known)
    assert "gap_builder" not in known


def test_each_gap_has_a_validation_and_a_test_split(prepared):
    counts = {name: split.num_examples for name, split in prepared.info.splits.items()}
    assert counts == {"validation_10": 20, "validation_30": 20, "test_10": 20, "test_30": 20}


@pytest.mark.parametrize(
    ("split", "seed"),
    [("validation_10", [1, 10]), ("validation_30", [1, 30]), ("test_30", [2, 30])],
)
def test_a_split_is_what_its_seed_draws(module, prepared, split, seed):
    drawn = module.draw(np.random.default_rng(seed), 20, seed[1])
    read = datasets.read(prepared, split)
    assert read.keys() == drawn.keys()
    assert rows(read) == rows(drawn)
    for name, column in read.items():
        assert isinstance(drawn[name], list)
        assert {type(value) for value in column} == {type(value) for value in drawn[name]}


def test_no_example_is_in_both_splits_of_a_gap(prepared):
    validation = rows(datasets.read(prepared, "validation_30"))
    test = rows(datasets.read(prepared, "test_30"))
    assert not [row for row in validation if row in test]


def test_preparing_again_gives_the_same_data(module, prepared, tmp_path, monkeypatch):
    again = prepare(module, tmp_path / "again", monkeypatch)
    assert again.data_dir != prepared.data_dir
    assert datasets.digest(again) == datasets.digest(prepared)


def test_a_generator_draws_new_examples_each_time(module):
    generator = np.random.default_rng(0)
    first, second = (rows(module.draw(generator, 20, 30)) for _ in range(2))
    assert not [row for row in first if row in second]
    assert rows(module.draw(np.random.default_rng(0), 20, 30)) == first


# A change of NumPy's generators would change the data and the digests in the READMEs.
@pytest.mark.parametrize(
    ("name", "column", "expected"),
    [
        ("adding", "sum", [1.2976157665252686, 0.9141319394111633]),
        ("copy", "copied", ["bafbebggec", "aaeeabdhgc"]),
        ("temporal_order", "symbols", ["EYcacXddcB", "EaXcaXbddB"]),
    ],
)
def test_a_seed_draws_the_same_examples_everywhere(name, column, expected):
    assert module_of(name).draw(np.random.default_rng([1, 10]), 2, 10)[column] == expected
