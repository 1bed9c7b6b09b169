"""Two Japanese vowels said by nine speakers, for speaker identification."""

import collections
import hashlib

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.wheels import Wheel

WHEEL = Wheel("sktime", "1.2.0", "dbffc6731d2d683b668dceb5e2bbc5804bebc8446b4c580803a281684d90e4ae")
MEMBER = "sktime/datasets/data/JapaneseVowels/JapaneseVowels_{}.ts"
SPEAKERS = [str(speaker) for speaker in range(1, 10)]
# One in this many training utterances of each speaker is for validation.
VALIDATION_PART = 6


def utterances(lines):
    """Yields the frames, float32 `[frames, 12]`, and the speaker of each line of a `.ts` file.

    After the line `@data`, each line is an utterance: 12 series of coefficients and the speaker,
    separated by colons.
    """
    lines = iter(lines)
    for line in lines:
        if line.strip().lower() == "@data":
            break
    for line in lines:
        *coefficients, speaker = line.strip().split(":")
        yield np.array([c.split(",") for c in coefficients], "float32").T, speaker


def validation_part(examples):
    """Returns the indices of the validation examples: every `VALIDATION_PART`-th of each speaker,
    ordered by the hash of the frames."""
    of_speaker = collections.defaultdict(list)
    for index, (frames, speaker) in enumerate(examples):
        order = hashlib.sha256(frames.astype("<f4").tobytes()).hexdigest()
        of_speaker[speaker].append((order, index))
    return {index for order in of_speaker.values() for _, index in sorted(order)[::VALIDATION_PART]}


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `japanese_vowels`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "frames": tfds.features.Tensor(shape=(None, 12), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=SPEAKERS),
                }
            ),
            supervised_keys=("frames", "label"),
            license="CC BY 4.0",
            homepage="https://archive.ics.uci.edu/dataset/128/japanese+vowels",
        )

    def _split_generators(self, dl_manager):
        with WHEEL.open() as archive:
            official, test = (
                list(utterances(archive.read(MEMBER.format(part)).decode().splitlines()))
                for part in ("TRAIN", "TEST")
            )
        validation = validation_part(official)
        return {
            "train": self._generate_examples(
                example for index, example in enumerate(official) if index not in validation
            ),
            "validation": self._generate_examples(official[index] for index in sorted(validation)),
            "test": self._generate_examples(test),
        }

    def _generate_examples(self, examples):
        for number, (frames, speaker) in enumerate(examples):
            yield number, {"frames": frames, "label": speaker}
