"""Examples in memory, as `fit` of the models batches them."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from examples import EXAMPLES

from zoo.models import training_data

COUNT = 20


def order(dataset):
    return np.concatenate([np.asarray(batch[1]) for batch in dataset]).tolist()


@pytest.fixture
def columns():
    return [str(number) for number in range(COUNT)], np.arange(COUNT), None


def test_batches_are_shuffled_anew_each_time_as_the_seed_says(columns):
    keras.utils.set_random_seed(0)
    dataset = training_data.batches(columns, 8, shuffle=True)
    first, second = order(dataset), order(dataset)
    assert first != second
    assert sorted(first) == sorted(second) == list(range(COUNT))
    keras.utils.set_random_seed(0)
    assert order(training_data.batches(columns, 8, shuffle=True)) == first


def test_columns_stay_together(columns):
    for text, label in training_data.batches(columns, 8, shuffle=True):
        assert [int(one) for one in text.numpy()] == label.numpy().tolist()


def test_examples_of_any_length_and_structure_are_batched():
    x = {"a": tf.ragged.constant([[1.0], [2.0, 3.0], []]), "b": ["x", "y", "z"]}
    (batch,) = training_data.batches((x, None, None))
    assert batch["a"].to_list() == [[1.0], [2.0, 3.0], []]
    assert batch["b"].numpy().tolist() == [b"x", b"y", b"z"]


@pytest.mark.parametrize("columns", [(["a", "b"], [1], None), ([], [], None)])
def test_numbers_of_examples_that_differ_are_named(columns):
    with pytest.raises(ValueError, match=r"same number of examples.*Received: \["):
        training_data.batches(columns)


def test_the_end_is_split_off(columns):
    first, last = training_data.split_off_end(columns, 0.25)
    assert first[0] + last[0] == columns[0]
    assert last[1].tolist() == list(range(15, COUNT))
    assert first[2] is last[2] is None
    with pytest.raises(ValueError, match="validation_split"):
        training_data.split_off_end(columns, 0.99)


@pytest.mark.parametrize("has_preprocessor", [True, False])
@pytest.mark.parametrize("shuffle", [True, False])
def test_fit_shuffles_unless_it_is_told_otherwise(monkeypatch, columns, has_preprocessor, shuffle):
    model = EXAMPLES["text_classifier"].build("gru")
    texts, labels, _ = columns
    if not has_preprocessor:
        texts = model.preprocessor(texts)
        model.preprocessor = None
    given = {}
    monkeypatch.setattr(
        keras_hub.models.Task, "fit", lambda self, x, **keys: given.update(keys, x=x)
    )
    model.fit(texts, labels, batch_size=3, validation_split=0.2, shuffle=shuffle)
    found = order(given["x"])
    assert sorted(found) == list(range(16))
    assert (found == sorted(found)) is not shuffle
    assert order(given["validation_data"]) == [16, 17, 18, 19]
    assert len(next(iter(given["validation_data"]))[1]) == 3
