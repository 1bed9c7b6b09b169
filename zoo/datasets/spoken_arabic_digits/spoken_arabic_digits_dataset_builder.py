"""Arabic digits said by 88 speakers, for speech classification."""

import hashlib
import re
import tarfile

import numpy as np
import tensorflow_datasets.public_api as tfds
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

from zoo.datasets.errors import DatasetError
from zoo.datasets.originals import manual_path

COMMIT = "b9084dfd41b57939c205e329bd8f9b4e3a9d2719"
URL = f"https://codeload.github.com/emshao/Predicting-Digit/tar.gz/{COMMIT}"
ARCHIVE = "spoken_arabic_digits.tar.xz"
# Of the lines that are read, since archives of the same files differ.
SHA256 = "d30a08bf98fffe1096a7f52aaed85a1ec3a0b64728711eff63cfd5f1e3bffe99"
FILES = {  # by split, where the repository or a packed archive has the file of a digit
    "train": re.compile(r"(?:/Data/Digit_Data/digit_|^train_)(\d)\.csv$"),
    "test": re.compile(r"(?:/Data/Test_Digit_Data/digit_|^test_)(\d)(?:_test)?\.csv$"),
}
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


def read_files(path):
    """Returns the text of each digit's file in an archive, a dict by `(split, digit)`.

    Raises:
        NonMatchingChecksumError: They aren't those of the dataset.
    """
    files = {}
    with tarfile.open(path) as archive:
        for member in archive.getmembers():
            for split, pattern in FILES.items():
                if match := pattern.search(member.name):
                    lines = archive.extractfile(member).read().decode().splitlines()
                    files[split, match[1]] = "\n".join(map(str.strip, lines)).strip()
    content = hashlib.sha256()
    for key in sorted(files):
        content.update(f"{key}\n{files[key]}\n".encode())
    if content.hexdigest() != SHA256:
        raise NonMatchingChecksumError(
            f"{path} doesn't hold the spoken Arabic digits: expected content with the SHA-256 "
            f"{SHA256}, received {content.hexdigest()}"
        )
    return files


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `spoken_arabic_digits`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"A file {ARCHIVE} in this folder, with train_0.csv to test_9.csv, is used instead of the "
        "repository."
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
        files = read_files(manual_path(dl_manager, ARCHIVE) or dl_manager.download(URL))
        official = {split: list(self._examples(files, split)) for split in FILES}
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
        for (of, digit), content in sorted(files.items()):
            if of == split:
                for index, frames in enumerate(utterances(content)):
                    number = index // UTTERANCES
                    speaker = f"{split}_{number:02d}"
                    yield number, {"frames": frames, "label": digit, "speaker": speaker}

    def _generate_examples(self, examples):
        yield from enumerate(examples)
