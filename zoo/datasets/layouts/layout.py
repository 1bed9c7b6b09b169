"""The interface of a layout, and what layouts share: splits, errors and reading lines."""

import abc
import glob
import hashlib

from zoo.datasets.errors import FolderError
from zoo.files import read_bytes

SPLITS = ("train", "validation", "test")
UNLABELLED = "unlabelled"
# Other names of splits, which would be ignored.
MISNAMED = {
    **dict.fromkeys(("dev", "devel", "development", "eval", "val", "valid"), "validation"),
    "testing": "test",
    "training": "train",
    "unlabeled": UNLABELLED,
}


class Layout(abc.ABC):
    """One way to lay out a dataset's files in a folder.

    An example is a dict of values by the name of their feature. A value may be the path of the file
    that holds it, until `encode` reads that file.

    Attributes:
        description: The files that it expects, in one line, for error messages.
        endings: Endings of the files that hold its data, in lower case. The name of the dataset
            depends on the content of these files.
        ordered: Whether prepared examples keep their order.
    """

    description: str
    endings: tuple
    ordered = False

    @abc.abstractmethod
    def recognises(self, folder):
        """Returns whether the files in `folder`, a `Path`, have this layout."""

    @abc.abstractmethod
    def examples(self, folder):
        """Yields pairs of a split, one of `SPLITS` or `UNLABELLED`, and an example.

        Raises:
            FolderError: A file is broken or missing.
        """

    @abc.abstractmethod
    def features(self, examples):
        """Returns the TFDS feature of each name in an example.

        Args:
            examples: The pairs that `examples` yields.
        """

    def identity(self, example):
        """Returns the str whose hash assigns an example to a split, wherever the folder is."""
        return "\n".join(example.values())

    def tenths(self, examples):
        """Returns a number from 0 to 9 for each of the examples of a split.

        A missing split takes the examples with one of the numbers.
        """
        return [
            int(hashlib.sha256(self.identity(example).encode()).hexdigest(), 16) % 10
            for example in examples
        ]

    def encode(self, example):
        """Returns an example as TFDS stores it.

        Raises:
            FolderError: A file of the example is broken.
        """
        return example

    def files(self, folder):
        """Returns the files that hold the data, sorted, without hidden ones."""
        paths = (folder / name for name in glob.glob("**/*", root_dir=folder, recursive=True))
        return sorted(p for p in paths if p.suffix.lower() in self.endings and not p.is_dir())

    def check_names(self, folder):
        """Raises FolderError for a file or folder that is named almost like a split."""
        for path in sorted(folder.iterdir()):
            name = path.name.partition(".")[0]
            meant = MISNAMED.get(name.lower(), name.lower())
            is_read = path.is_dir() or path.suffix.lower() in self.endings
            if is_read and meant in (*SPLITS, UNLABELLED) and name != meant:
                right = path.with_name(meant + path.name[len(name) :])
                raise FolderError(f"{path} would not be read. Rename it to {right.name}.")


def class_label(examples):
    """Returns the TFDS feature of the labels, leaving out those of unlabelled examples."""
    import tensorflow_datasets.public_api as tfds

    names = {example["label"] for split, example in examples if split != UNLABELLED}
    return tfds.features.ClassLabel(names=sorted(names))


def read_file(path):
    """Returns the content of a file, bytes."""
    try:
        return read_bytes(path)
    except OSError as error:
        raise FolderError(f"{path} can't be read: {error.strerror}.") from error
    except ValueError as error:
        raise FolderError(str(error)) from error


def read_text(path):
    """Returns the content of a UTF-8 file, with its line endings unchanged."""
    try:
        return read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        received = error.object[error.start : error.start + 1].hex()
        raise FolderError(
            f"{path}, line {line}: the text isn't UTF-8 (byte 0x{received}). Save the file as "
            "UTF-8."
        ) from error


def read_lines(path):
    """Returns the lines of a UTF-8 file.

    Only a line feed, or a carriage return and a line feed, ends a line. Other Unicode separators,
    and a carriage return alone, belong to the text.
    """
    text = read_text(path)
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r") for line in lines]
