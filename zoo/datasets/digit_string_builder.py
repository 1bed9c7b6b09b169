"""The base class of datasets of digit strings, concatenated from recordings of single digits."""

from typing import Any

import numpy as np
import tensorflow_datasets.public_api as tfds

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHORTEST, LONGEST = 3, 7  # digits of a string
# How often each recording is used: in several strings in training, else in one.
PASSES = {"train": 4, "validation": 1, "test": 1}


def strings(recordings, passes, generator):
    """Yields strings of recordings, each a list of `SHORTEST` to `LONGEST` of them in random order.

    Args:
        recordings: list of recordings.
        passes: int, how often each is used.
        generator: `numpy.random.Generator`.
    """
    for _ in range(passes):
        left = [recordings[index] for index in generator.permutation(len(recordings))]
        while left:
            count = int(generator.integers(SHORTEST, LONGEST + 1))
            if len(left) - count < SHORTEST:
                count = len(left)
            yield left[:count]
            left = left[count:]


class DigitStringBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base class of builders of digit strings; a builder defines `SOUND` and `recordings`.

    Attributes:
        SOUND: Pair of the name of the sound's feature, and its TFDS feature.
        FEATURES: Dict of the other features, which `recordings` gives for each group.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    SOUND: tuple
    FEATURES: dict[str, Any] = {}

    def recordings(self, dl_manager):
        """Returns a dict from a split to its groups. A string is joined within a group: a pair of
        its features, a dict, and its recordings, a list of pairs of an array and a digit."""
        raise NotImplementedError

    def _info(self):
        name, feature = self.SOUND
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {name: feature, "text": tfds.features.Text(), **self.FEATURES}
            ),
            supervised_keys=(name, "text"),
            license="CC BY-SA 4.0",
            homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
        )

    def _split_generators(self, dl_manager):
        groups = self.recordings(dl_manager)
        return {
            split: self._generate_examples(groups[split], passes, np.random.default_rng(seed))
            for seed, (split, passes) in enumerate(PASSES.items())
        }

    def _generate_examples(self, groups, passes, generator):
        joined = (
            (features, string)
            for features, recordings in groups
            for string in strings(recordings, passes, generator)
        )
        for number, (features, string) in enumerate(joined):
            yield (
                number,
                {
                    self.SOUND[0]: np.concatenate([sound for sound, _ in string]),
                    "text": " ".join(NAMES[digit] for _, digit in string),
                    **features,
                },
            )
