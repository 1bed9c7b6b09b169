"""A folder of your own files, as a TFDS builder.

`zoo.datasets.layouts` says which files are read. `validation` and `test` have the same form as
`train`. Where one is missing, a tenth of the training examples takes its place: chosen by the hash
of the example, or a passage at the end of a text.
"""

import dataclasses
import hashlib
from pathlib import Path

import tensorflow_datasets.public_api as tfds

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts import LAYOUTS
from zoo.datasets.layouts.layout import SPLITS, UNLABELLED, Layout, read_file


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """A folder, named after its content: if files change, it is a different dataset.

    Attributes:
        layout: Its `Layout`.
        examples: Pairs of a split and an example, as the layout yields them.
    """

    layout: Layout | None = dataclasses.field(default=None, repr=False)
    examples: list = dataclasses.field(default_factory=list, repr=False)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of a folder."""

    name = "folder"
    VERSION = tfds.core.Version("2.0.0")

    def _info(self):
        config = self.builder_config
        return tfds.core.DatasetInfo(
            builder=self,
            description=config.description,
            features=tfds.features.FeaturesDict(config.layout.features(config.examples)),
            disable_shuffling=config.layout.ordered,
        )

    def _split_generators(self, dl_manager):
        config = self.builder_config
        splits = divided(config.examples, config.layout.tenths)
        unlabelled = [example for split, example in config.examples if split == UNLABELLED]
        if unlabelled:
            splits[UNLABELLED] = unlabelled
        return {name: self._generate_examples(examples) for name, examples in splits.items()}

    def _generate_examples(self, examples):
        for number, example in enumerate(examples):
            yield number, self.builder_config.layout.encode(example)


def builder(folder, data_dir):
    """Returns the builder of a folder, not prepared yet.

    Args:
        folder: Its path.
        data_dir: The folder of prepared data.

    Raises:
        FolderError: The folder has no known layout, or a file is broken.
    """
    folder = Path(folder).expanduser().resolve()
    for layout in LAYOUTS:
        layout.check_names(folder)
    layout = layout_of(folder)
    examples = list(layout.examples(folder))
    content = hashlib.sha256()
    for path in layout.files(folder):
        content.update(_encoded(path.relative_to(folder)) + read_file(path))
    name = f"{folder.name}-{content.hexdigest()[:16]}"
    description = f"The folder {folder}."
    config = Config(name=name, description=description, layout=layout, examples=examples)
    return Builder(config=config, data_dir=data_dir)


def _encoded(path):
    """A path as bytes, the same on all systems."""
    try:
        return path.as_posix().encode()
    except UnicodeEncodeError as error:
        shown = path.as_posix().encode(errors="backslashreplace").decode()
        raise FolderError(f"The name {shown} isn't UTF-8. Rename the file or folder.") from error


def layout_of(folder):
    """Returns the layout of a folder's files."""
    for layout in LAYOUTS:
        if layout.recognises(folder):
            return layout
    known = ", or ".join(layout.description for layout in LAYOUTS)
    raise FolderError(f"{folder} holds no data in a known layout: expected {known}.")


def divided(examples, tenths):
    """Returns the examples of each split, with tenths of `train` for missing splits.

    Args:
        examples: Pairs of a split and an example.
        tenths: A function of the training examples. It returns a number from 0 to 9 for each.
    """
    splits = {name: [example for split, example in examples if split == name] for name in SPLITS}
    count = sum(map(len, splits.values()))
    missing = [name for name in SPLITS[1:] if not splits[name]]
    kept = []
    for example, tenth in zip(splits["train"], tenths(splits["train"]), strict=True):
        (splits[missing[tenth]] if tenth < len(missing) else kept).append(example)
    splits["train"] = kept
    for name, found in splits.items():
        if not found:
            raise FolderError(
                f"The data has too few examples to take any for {name}: {count} in all. "
                f"Add examples, or put some for {name} into separate files."
            )
    return splits
