"""Sounds with labels: one folder per label, for classification."""

from pathlib import Path

import numpy as np

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.layout import SPLITS, Layout, class_label
from zoo.sound_files import ENDINGS, read_sound

SAMPLING_RATE = 8000


class Sounds(Layout):
    """`train/<label>/*.wav`, or other sound files. They are stored with 16 bits at 8 kHz."""

    description = "sound files as train/<label>/<name>.wav"
    endings = ENDINGS

    def recognises(self, folder):
        return any(self.examples(folder))

    def examples(self, folder):
        for path in self.files(folder):
            parts = path.relative_to(folder).parts
            if parts[0] not in SPLITS:
                continue
            if len(parts) != 3:
                raise FolderError(
                    f"{path} would not be read. Put it into the folder of its label: "
                    f"{parts[0]}/<label>/{path.name}."
                )
            yield parts[0], {"audio": str(path), "label": parts[1]}

    def features(self, examples):
        import tensorflow_datasets.public_api as tfds

        audio = tfds.features.Audio(sample_rate=SAMPLING_RATE, dtype=np.int16)
        return {"audio": audio, "label": class_label(examples)}

    def identity(self, example):
        return f"{Path(example['audio']).name}\n{example['label']}"

    def encode(self, example):
        try:
            sound = read_sound(example["audio"], SAMPLING_RATE)
        except (OSError, ValueError) as error:
            raise FolderError(str(error)) from error
        return {**example, "audio": (sound * 32767).round().astype("int16")}
