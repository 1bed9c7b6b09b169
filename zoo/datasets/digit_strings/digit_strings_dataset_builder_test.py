"""Tests of the dataset `digit_strings`."""

import io

import numpy as np

from zoo.datasets import digit_string_builder, testing
from zoo.datasets.digit_strings import digit_strings_dataset_builder as module


class DigitStringsTest(testing.BuilderTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 32, "validation": 1, "test": 2}


def recordings(count):
    frames = np.random.default_rng(0).normal(size=(count, 2, 13)).astype("float32")
    return [(one, number % 10) for number, one in enumerate(frames)]


def test_recordings_are_frames_and_their_digit():
    content = io.BytesIO()
    frames = np.arange(65, dtype="float32").reshape(5, 13)
    np.savez(content, X=frames, lengths=[2, 3], y=[7, 1])
    (first, seven), (second, one) = module.recordings(content.getvalue())
    np.testing.assert_array_equal(first, frames[:2])
    np.testing.assert_array_equal(second, frames[2:])
    assert (seven, one) == (7, 1)


def test_a_recording_is_in_one_split_whatever_its_order():
    found = recordings(300)
    splits = [module.split_of(frames) for frames, _ in found]
    assert splits == [module.split_of(frames.copy()) for frames, _ in found]
    assert 30 <= splits.count("test") <= 90
    assert 10 <= splits.count("validation") <= 50


def test_strings_use_each_recording_as_often_as_asked_and_are_the_same_again():
    found = recordings(50)
    drawn = lambda passes, seed: list(
        digit_string_builder.strings(found, passes, np.random.default_rng(seed))
    )
    for passes in (1, 3):
        strings = drawn(passes, seed=0)
        used = [id(frames) for string in strings for frames, _ in string]
        assert sorted(used) == sorted([id(frames) for frames, _ in found] * passes)
        lengths = {len(string) for string in strings}
        assert min(lengths) >= digit_string_builder.SHORTEST
        assert max(lengths) < digit_string_builder.LONGEST + digit_string_builder.SHORTEST
        digits = lambda strings: [[digit for _, digit in string] for string in strings]
        assert digits(drawn(passes, seed=0)) == digits(strings)
        assert digits(drawn(passes, seed=1)) != digits(strings)
