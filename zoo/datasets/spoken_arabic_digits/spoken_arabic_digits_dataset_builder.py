"""Arabic digits said by 88 speakers, for speech classification."""

import re

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.errors import DatasetError
from zoo.datasets.originals import HashedArchive

COMMIT = "b9084dfd41b57939c205e329bd8f9b4e3a9d2719"
# Where a packed archive or the repository has the file of a split and a digit.
FILE = re.compile(r"(?:^|/)(?:(train|test)_|Data/(Test_)?Digit_Data/digit_)(\d)(?:_test)?\.csv$")


def place(member):
    """Returns the split and the digit of a member of the archive, such as `train_4`, or None."""
    match = FILE.search(member)
    return match and f"{match[1] or ('test' if match[2] else 'train')}_{match[3]}"


def clean(content):
    """Returns the content of a file without spaces and carriage returns around its lines."""
    return b"\n".join(line.strip() for line in content.splitlines()).strip()


ARCHIVE = HashedArchive(
    "spoken_arabic_digits.tar.xz",
    "3cb81a6eac01220e3ec53ec385073414a36baa239831ac3152996092f689e6d9",
    f"https://codeload.github.com/emshao/Predicting-Digit/tar.gz/{COMMIT}",
    place,
    clean,
)
COEFFICIENTS = 13
UTTERANCES = 10  # of a speaker, one after another
# Speakers of the training split that are held out: every sixth.
VALIDATION_PART = 6


def utterances(content):
    """Returns the frames, float32 `[frames, 13]`, of each utterance in a file.

    A line is a frame, its coefficients between commas; an empty line ends an utterance.
    """
    blocks = re.split(r"\n\s*\n", content.strip())
    try:
        found = [
            np.array([line.split(",") for line in block.splitlines()], "float32")
            for block in blocks
        ]
    except ValueError as error:
        raise DatasetError(f"A frame must be numbers between commas. {error}") from error
    for frames in found:
        if frames.shape[1:] != (COEFFICIENTS,):
            raise DatasetError(
                f"A frame must have {COEFFICIENTS} coefficients. Received: {frames.shape[1]}"
            )
    return found


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `spoken_arabic_digits`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"A file {ARCHIVE.name} in this folder, with train_0.csv to test_9.csv, is used instead of "
        "the repository."
    )

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "frames": tfds.features.Tensor(shape=(None, COEFFICIENTS), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=list("0123456789")),
                    "speaker": tfds.features.Text(),
                }
            ),
            supervised_keys=("frames", "label"),
            license="CC BY 4.0",
            homepage="https://archive.ics.uci.edu/dataset/195/spoken+arabic+digit",
        )

    def _split_generators(self, dl_manager):
        files = ARCHIVE.read(dl_manager)
        official = {split: list(self._examples(files, split)) for split in ("train", "test")}
        is_held_out = lambda number: number % VALIDATION_PART == VALIDATION_PART // 2
        return {
            "train": self._generate_examples(
                one for number, one in official["train"] if not is_held_out(number)
            ),
            "validation": self._generate_examples(
                one for number, one in official["train"] if is_held_out(number)
            ),
            "test": self._generate_examples(one for _, one in official["test"]),
        }

    def _examples(self, files, split):
        """Yields the number of the speaker in an official split, and an example."""
        for name, content in files.items():
            of, digit = name.split("_")
            if of == split:
                for index, frames in enumerate(utterances(content.decode())):
                    number = index // UTTERANCES
                    speaker = f"{split}_{number:02d}"
                    yield number, {"frames": frames, "label": digit, "speaker": speaker}

    def _generate_examples(self, examples):
        yield from enumerate(examples)
