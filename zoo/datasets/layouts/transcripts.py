"""Sounds with transcripts: one table per split, for speech recognition."""

from pathlib import Path

import numpy as np

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.layout import SPLITS, Layout, read_lines
from zoo.sound_files import ENDINGS, read_sound

TABLE = "transcripts.tsv"
SAMPLING_RATE = 16000


class Transcripts(Layout):
    """`train/transcripts.tsv`: a line is the name of a sound file next to it, a tab and its text.

    Sounds are stored with 16 bits at 16 kHz.
    """

    description = f"train/{TABLE} with a sound file's name, a tab and its transcript on each line"
    endings = (".tsv", *ENDINGS)

    def recognises(self, folder):
        return (folder / "train" / TABLE).is_file()

    def examples(self, folder):
        for split in SPLITS:
            path = folder / split / TABLE
            if path.is_file():
                lines = read_lines(path)
                if not lines:
                    raise FolderError(f"{path} is empty. Write transcripts into it, or delete it.")
                known = {}
                for number, line in enumerate(lines, 1):
                    place = f"{path}, line {number}"
                    sound, text = _columns(line, path.parent, place)
                    if sound in known:
                        raise FolderError(
                            f"{place}: {sound.name} has a transcript on line {known[sound]} too."
                        )
                    known[sound] = number
                    yield split, {"audio": str(sound), "text": text, "place": place}

    def features(self, examples):
        import tensorflow_datasets.public_api as tfds

        audio = tfds.features.Audio(sample_rate=SAMPLING_RATE, dtype=np.int16)
        return {"audio": audio, "text": tfds.features.Text()}

    def identity(self, example):
        return f"{Path(example['audio']).name}\n{example['text']}"

    def encode(self, example):
        try:
            sound = read_sound(example["audio"], SAMPLING_RATE)
        except (OSError, ValueError) as error:
            raise FolderError(f"{example['place']}: {error}") from error
        return {"audio": (sound * 32767).round().astype("int16"), "text": example["text"]}


def _columns(line, folder, place):
    """Returns the path of the sound on a line, and its text.

    Args:
        line: The line.
        folder: The `Path` of the folder that holds the sound.
        place: The file and the number of the line, for error messages.
    """
    name, *texts = line.split("\t")
    if len(texts) != 1 or not name or not texts[0].strip():
        raise FolderError(
            f"{place}: expected the name of a sound file, one tab and its text. Received: "
            f"{line[:60]!r}."
        )
    path = folder / name
    try:
        is_file = path.is_file()
    except (OSError, ValueError):  # such as a name that is too long
        is_file = False
    if not is_file:
        raise FolderError(f"{place}: there is no file {str(path)[:200]}.")
    return path, " ".join(texts[0].split())
