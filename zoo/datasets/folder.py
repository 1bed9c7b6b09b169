"""A user's own data: a folder of files, as a TFDS builder.

The files tell the task:

- `train.csv` with the columns `text` and `label`: classes of texts;
- `train.source` and `train.target`, a text a line: translations;
- `train/<label>/*.wav`, or another sound file: classes of sounds.

`validation` and `test` lie beside `train` in the same form. Where one is missing, a tenth of the
training examples is taken for it, chosen by the hash of the example. Texts without labels may lie
in `unlabelled.csv`, with the column `text`; their label is -1, as everywhere in TFDS.
"""

import csv
import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import tensorflow_datasets.public_api as tfds

SPLITS = ("train", "validation", "test")
UNLABELLED = "unlabelled"
SOUNDS = (".wav", ".flac", ".ogg")
SAMPLING_RATE = 8000


class FolderError(ValueError):
    """A folder holds no data that can be read; the message says what to change."""


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """A folder, named by its content: changed files are another dataset.

    Attributes:
        kind: `"texts"`, `"translations"` or `"sounds"`.
        examples: pairs of a split and an example, a dict of a feature's name to str; of `audio`
            it is the path of the file.
    """

    kind: str = ""
    examples: list = dataclasses.field(default_factory=list, repr=False)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of a folder."""

    name = "folder"
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        config = self.builder_config
        labels = sorted(
            {row["label"] for split, row in config.examples if "label" in row and split in SPLITS}
        )
        label = tfds.features.ClassLabel(names=labels)
        features = {
            "texts": {"text": tfds.features.Text(), "label": label},
            "translations": {"source": tfds.features.Text(), "target": tfds.features.Text()},
            "sounds": {
                "audio": tfds.features.Audio(sample_rate=SAMPLING_RATE, dtype=np.int16),
                "label": label,
            },
        }[config.kind]
        return tfds.core.DatasetInfo(
            builder=self,
            description=config.description,
            features=tfds.features.FeaturesDict(features),
        )

    def _split_generators(self, dl_manager):
        examples = self.builder_config.examples
        splits = divided(examples)
        unlabelled = [example for split, example in examples if split == UNLABELLED]
        if unlabelled:
            splits[UNLABELLED] = unlabelled
        return {name: self._generate_examples(examples) for name, examples in splits.items()}

    def _generate_examples(self, examples):
        for number, example in enumerate(examples):
            if "audio" in example:
                example = {**example, "audio": samples(example["audio"])}
            yield number, example


def builder(folder, data_dir):
    """Returns the builder of a folder, which isn't prepared yet.

    Args:
        folder: Its path.
        data_dir: The folder of prepared data.

    Raises:
        FolderError: The folder holds none of the three forms of data, or a file is broken.
    """
    folder = Path(folder).expanduser().resolve()
    kind, examples = read(folder)
    content = hashlib.sha256()
    for path in files(folder):
        content.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
    name = f"{folder.name}-{content.hexdigest()[:16]}"
    config = Config(name=name, description=f"The folder {folder}.", kind=kind, examples=examples)
    return Builder(config=config, data_dir=data_dir)


def files(folder):
    """The files of a folder that are data, sorted."""
    endings = (".csv", ".source", ".target", *SOUNDS)
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in endings)


def read(folder):
    """The kind of a folder's data, and a list of pairs of a split and an example."""
    if (folder / "train.csv").is_file():
        splits = (*SPLITS, UNLABELLED)
        return "texts", [pair for split in splits for pair in _texts(folder, split)]
    if (folder / "train.source").is_file():
        return "translations", [pair for split in SPLITS for pair in _translations(folder, split)]
    places = [(path, path.relative_to(folder).parts) for path in files(folder)]
    sounds = [
        (parts[0], {"audio": str(path), "label": parts[1]})
        for path, parts in places
        if path.suffix.lower() in SOUNDS and len(parts) == 3 and parts[0] in SPLITS
    ]
    if sounds:
        return "sounds", sounds
    raise FolderError(
        f"{folder} holds no data that can be told: expected train.csv with the columns text and "
        "label, or train.source and train.target with a text a line, or sound files as "
        "train/<label>/<name>.wav."
    )


def divided(examples):
    """The examples of each split, with tenths of `train` for those that are missing."""
    splits = {name: [example for split, example in examples if split == name] for name in SPLITS}
    count = sum(map(len, splits.values()))
    missing = [name for name in SPLITS[1:] if not splits[name]]
    kept = []
    for example in splits["train"]:
        # Of a sound the file's name counts, so that a folder may be moved.
        values = [Path(value).name if key == "audio" else value for key, value in example.items()]
        tenth = int(hashlib.sha256("\n".join(values).encode()).hexdigest(), 16) % 10
        (splits[missing[tenth]] if tenth < len(missing) else kept).append(example)
    splits["train"] = kept
    for name, found in splits.items():
        if not found:
            raise FolderError(
                f"The data has too few examples to take any for {name}: {count} in all. "
                f"Add examples, or {name} in files of its own."
            )
    return splits


def lines(text):
    """The lines of a text; the separators that Unicode has beside the line feed are none."""
    return text.removesuffix("\n").split("\n") if text else []


def samples(path):
    """A sound file as 16-bit integers at `SAMPLING_RATE`."""
    from zoo.models.audio_classifier.sound_files import read_sound

    return (read_sound(path, SAMPLING_RATE) * 32767).round().astype("int16")


def _texts(folder, split):
    path = folder / f"{split}.csv"
    if not path.is_file():
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        columns = ("text",) if split == UNLABELLED else ("text", "label")
        if not set(columns) <= set(rows.fieldnames or ()):
            raise FolderError(
                f"{path} needs the column{'s' * (len(columns) > 1)} {' and '.join(columns)} in its "
                "first line. "
                f"Received: {', '.join(rows.fieldnames or ['an empty file'])}."
            )
        for row in rows:
            if row["text"] is None or ("label" in columns and not row["label"]):
                raise FolderError(
                    f"{path}, line {rows.line_num}: a {' or a '.join(columns)} is missing."
                )
            yield split, {"label": -1, **{name: row[name] for name in columns}}


def _translations(folder, split):
    paths = [folder / f"{split}.{side}" for side in ("source", "target")]
    if not any(path.is_file() for path in paths):
        return
    for path in paths:
        if not path.is_file():
            raise FolderError(f"{path} is missing: each source has its target in the other file.")
    sources, targets = (lines(path.read_text(encoding="utf-8-sig")) for path in paths)
    if len(sources) != len(targets):
        raise FolderError(
            f"{paths[0]} has {len(sources)} lines and {paths[1]} has {len(targets)}. Each line of "
            "the one needs its translation in the other."
        )
    for source, target in zip(sources, targets, strict=True):
        yield split, {"source": source, "target": target}
