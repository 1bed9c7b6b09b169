"""The census database AN4: spelled names, numbers and commands, for speech recognition."""

import re
import tarfile

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.errors import DatasetError

ARCHIVE = "an4_cepstra.tar.gz"
# Speakers of the training split that are held out: every tenth in alphabetical order.
VALIDATION_PART = 10
LINE = re.compile(r"(.*\S)\s+\((\S+)\)\s*")


def transcripts(content):
    """Returns a dict from the name of an utterance to its text, of a file whose lines are
    `TEXT (name)`."""
    found = (LINE.fullmatch(line) for line in content.splitlines() if line.strip())
    return {match[2]: re.sub(r"</?s>", "", match[1]).strip() for match in found}


def cepstra(content):
    """Returns the frames, float32 `[frames, 13]`, of a `.mfc` file: the number of values, a
    big-endian int32, then these, big-endian float32."""
    values = np.frombuffer(content, ">f4", offset=4)
    expected = int.from_bytes(content[:4], "big")
    if len(values) != expected or expected % 13:
        raise DatasetError(
            f"A file of cepstra says that it has {expected} values of 13 a frame, and has "
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
        "an4_cepstra.tar.gz: the folder an4 of the repository "
        "github.com/cphazen/Machine-Learning-Project-ASR at commit "
        "5e478f0ee6c5b060edf702acdd563948cad5545f, with etc, feat and LICENSE in it."
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
        path = dl_manager.manual_dir / ARCHIVE
        if not path.exists():
            # An `OSError`, as for other files that can't be fetched.
            raise FileNotFoundError(f"{path} is missing. {self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        official = {"train": {}, "test": {}}
        with tarfile.open(path) as archive:
            files = {member.name: member for member in archive.getmembers() if member.isfile()}
            read = lambda name: archive.extractfile(files[name]).read()
            for split, found in official.items():
                texts = transcripts(read(f"an4/etc/an4_{split}.transcription").decode())
                for line in read(f"an4/etc/an4_{split}.fileids").decode().split():
                    _, speaker, name = line.split("/")
                    found[name] = {
                        "frames": cepstra(read(f"an4/feat/{line}.mfc")),
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
