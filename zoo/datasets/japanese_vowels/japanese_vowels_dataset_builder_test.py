"""Tests of the dataset `japanese_vowels`."""

import numpy as np

from zoo.datasets import testing
from zoo.datasets.japanese_vowels import japanese_vowels_dataset_builder


class JapaneseVowelsTest(testing.BuilderTestCase):
    DATASET_CLASS = japanese_vowels_dataset_builder.Builder
    # Two speakers with six training utterances each, of which one is for validation.
    SPLITS = {"train": 10, "validation": 2, "test": 3}


def test_utterances_have_the_shape_frames_by_coefficients():
    lines = ["@classLabel true 1 2", "@data", "1,2,3:4,5,6.5:2"]
    [(frames, speaker)] = japanese_vowels_dataset_builder.utterances(lines)
    np.testing.assert_array_equal(frames, np.array([[1, 4], [2, 5], [3, 6.5]], "float32"))
    assert frames.dtype == np.float32
    assert speaker == "2"


def test_validation_takes_one_in_six_of_each_speaker_in_any_order():
    examples = [
        (np.full((2, 12), utterance, "float32"), str(1 + utterance % 9)) for utterance in range(270)
    ]
    validation = japanese_vowels_dataset_builder.validation_part(examples)
    speakers = [examples[index][1] for index in validation]
    assert {speaker: speakers.count(speaker) for speaker in set(speakers)} == {
        str(speaker): 5 for speaker in range(1, 10)
    }
    backwards = japanese_vowels_dataset_builder.validation_part(examples[::-1])
    assert {269 - index for index in backwards} == validation
