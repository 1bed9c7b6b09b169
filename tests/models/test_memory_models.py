"""The memory models: encoding of symbols and values, and the steps that are answered."""

import keras
import numpy as np
import pytest

from zoo import models
from zoo.models.memory.memory_recaller import LastSteps
from zoo.models.memory.memory_regressor import WithinTolerance


def test_symbols_become_one_hot_vectors_with_a_mask():
    encoded = models.MemoryPreprocessor(alphabet="aX.")(["X.", "a"])
    np.testing.assert_array_equal(
        encoded["sequence"], [[[0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 0, 0]]]
    )
    np.testing.assert_array_equal(encoded["padding_mask"], [[True, True], [True, False]])


def test_a_permutation_reorders_the_steps():
    preprocessor = models.MemoryPreprocessor(feature_dim=1, permutation=[2, 0, 1])
    encoded = preprocessor([np.array([[1], [2], [3]], "float32")])
    np.testing.assert_array_equal(encoded["sequence"][0, :, 0], [3, 1, 2])
    restored = models.MemoryPreprocessor.from_config(preprocessor.get_config())
    assert restored.permutation == [2, 0, 1]


@pytest.mark.parametrize(
    ("options", "sequence", "message"),
    [
        ({"alphabet": "ab"}, "abé", "among 'ab'. Received: 'é'"),
        ({"alphabet": "ab"}, "abc", "among 'ab'. Received: 'c'"),
        ({"alphabet": "a?"}, "é", "Received: 'é'"),
        ({"alphabet": "ab"}, "", "at least one step"),
        ({"feature_dim": 2}, np.zeros((0, 2)), "at least one step"),
        ({"feature_dim": 2}, np.zeros((3, 1)), r"\[time, 2\]. Received: shape=\(3, 1\)"),
        ({"feature_dim": 1}, [[np.nan]], "must be finite"),
        ({"feature_dim": 1, "permutation": [1, 0]}, np.zeros((3, 1)), "2 steps"),
    ],
)
def test_a_wrong_sequence_is_an_error_that_says_why(options, sequence, message):
    with pytest.raises(ValueError, match=message):
        models.MemoryPreprocessor(**options)([sequence])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`alphabet` for symbols, or `feature_dim` for values"),
        ({"alphabet": "ab", "feature_dim": 2}, "`alphabet` for symbols, or `feature_dim`"),
        ({"alphabet": "aba"}, "distinct ASCII characters. Received: 'aba'"),
        ({"alphabet": "aé"}, "distinct ASCII characters. Received: 'aé'"),
        ({"feature_dim": 1, "permutation": [0, 0]}, "each index of a step once"),
    ],
)
def test_wrong_arguments_of_a_preprocessor_are_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        models.MemoryPreprocessor(**options)


def test_the_last_steps_are_those_before_the_padding():
    inputs = np.arange(8, dtype="float32").reshape(2, 4, 1)
    mask = np.array([[True, True, True, True], [True, True, True, False]])
    picked = LastSteps(2)(inputs, mask)
    np.testing.assert_array_equal(picked[..., 0], [[2, 3], [5, 6]])


def test_a_sequence_shorter_than_its_answer_is_an_error():
    backbone = models.MemoryBackbone("rnn", feature_dim=2, units=3)
    preprocessor = models.MemoryPreprocessor(alphabet="ab")
    model = models.MemoryRecaller(backbone, 3, "ab", preprocessor)
    assert [len(text) for text in model.generate(["abab", "bbb"])] == [3, 3]
    with pytest.raises(ValueError, match=r"at least 3 symbols\. Received: 'ab'"):
        model.generate(["ab"])
    with pytest.raises(ValueError, match="at least 3 symbols"):
        model.predict(["ab"])


def test_an_answer_within_the_tolerance_is_correct():
    metric = WithinTolerance(0.04)
    metric.update_state(np.array([1.0, 1.0, 0.5, 0.5]), np.array([1.03, 0.9, 0.5, 0.55]))
    assert float(metric.result()) == 0.5


def test_a_regressor_learns_a_sum():
    keras.utils.set_random_seed(0)
    backbone = models.MemoryBackbone("gru", feature_dim=1, units=16)
    model = models.MemoryRegressor(backbone, models.MemoryPreprocessor(feature_dim=1), 0.1)
    x = np.random.default_rng(0).uniform(size=(2000, 2, 1)).astype("float32")
    y = x.sum(axis=(1, 2))
    model.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    batch = model.preprocessor(list(x))
    model.preprocessor = None
    model.fit(batch, y, batch_size=50, epochs=3, verbose=0)
    assert model.evaluate(batch, y, verbose=0, return_dict=True)["accuracy"] > 0.9
