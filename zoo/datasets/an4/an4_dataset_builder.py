"""The census database AN4: spelled names, numbers and commands, for speech recognition."""

import re

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.errors import DatasetError
from zoo.datasets.originals import HashedArchive

COMMIT = "5e478f0ee6c5b060edf702acdd563948cad5545f"
# Which files are read, by their names in the folder `an4`.
FILE = re.compile(
    r"(?:^|/)an4/(etc/an4_(?:train|test)\.(?:fileids|transcription)|feat/\w+/\w+/[\w-]+\.mfc)$"
)


def place(member):
    """Returns the name of a member of the archive in its folder `an4`, or None."""
    match = FILE.search(member)
    return match and match[1]


ARCHIVE = HashedArchive(
    "an4_cepstra.tar.gz",
    "4c828c171e072276d34e0acaa336252e70961392343c997612b782c898cbc125",
    f"https://codeload.github.com/cphazen/Machine-Learning-Project-ASR/tar.gz/{COMMIT}",
    place,
)
# Speakers of the training split that are held out: every tenth in alphabetical order.
VALIDATION_PART = 10
LINE = re.compile(r"(.*\S)\s+\((\S+)\)\s*")


def transcripts(content):
    """Returns a dict from an utterance's name to its text, from a file of lines `TEXT (name)`."""
    found = (LINE.fullmatch(line) for line in content.splitlines() if line.strip())
    return {match[2]: re.sub(r"</?s>", "", match[1]).strip() for match in found}


def cepstra(content):
    """Returns the frames, float32 `[frames, 13]`, of a `.mfc` file: the number of values, a
    big-endian int32, followed by the values, big-endian float32."""
    values = np.frombuffer(content, ">f4", offset=4)
    expected = int.from_bytes(content[:4], "big")
    if len(values) != expected or expected % 13:
        raise DatasetError(
            f"A file of cepstra declares {expected} values, 13 per frame, but has "
            f"{len(values)}. Is the archive damaged?"
        )
    return values.reshape(-1, 13).astype("float32")


def held_out(speakers):
    """Returns the speakers for validation, a set."""
    return set(sorted(set(speakers))[VALIDATION_PART // 2 :: VALIDATION_PART])


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `an4`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        f"A file {ARCHIVE.name} in this folder, with the folder an4 of the repository, is used "
        "instead of the download."
    )

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "frames": tfds.features.Tensor(shape=(None, 13), dtype=np.float32),
                    "text": tfds.features.Text(),
                    "speaker": tfds.features.Text(),
                    "utterance": tfds.features.Text(),
                }
            ),
            supervised_keys=("frames", "text"),
            license="AN4's own, which permits any use with its notice kept",
            homepage="http://www.speech.cs.cmu.edu/databases/an4/",
        )

    def _split_generators(self, dl_manager):
        files = ARCHIVE.read(dl_manager)
        official = {"train": {}, "test": {}}
        for split, found in official.items():
            texts = transcripts(files[f"etc/an4_{split}.transcription"].decode())
            for line in files[f"etc/an4_{split}.fileids"].decode().split():
                _, speaker, name = line.split("/")
                found[name] = {
                    "frames": cepstra(files[f"feat/{line}.mfc"]),
                    "text": texts[name],
                    "speaker": speaker,
                    "utterance": name,
                }
        validation = held_out(one["speaker"] for one in official["train"].values())
        chosen = lambda is_validation: {
            name: one
            for name, one in official["train"].items()
            if (one["speaker"] in validation) == is_validation
        }
        return {
            "train": self._generate_examples(chosen(False)),
            "validation": self._generate_examples(chosen(True)),
            "test": self._generate_examples(official["test"]),
        }

    def _generate_examples(self, utterances):
        yield from utterances.items()
