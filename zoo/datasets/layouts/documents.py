"""Texts without labels: one text file per split, for language modelling."""

import re

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts.layout import SPLITS, Layout, read_text

FEW = 10  # a tenth of the examples is taken for a missing split


class Documents(Layout):
    """`train.txt`. An example is a paragraph with the empty lines that end it.

    A file of fewer than ten paragraphs is divided into lines, if it has ten. The examples of a file
    keep their order and, joined, are its text.
    """

    description = "train.txt with paragraphs of text"
    endings = (".txt",)
    ordered = True

    def recognises(self, folder):
        return (folder / "train.txt").is_file()

    def examples(self, folder):
        for split in SPLITS:
            path = folder / f"{split}.txt"
            if path.is_file():
                text = read_text(path)
                if not text.strip():
                    raise FolderError(f"{path} holds no text. Write some into it, or delete it.")
                parts, lines = list(paragraphs(text)), text.splitlines(keepends=True)
                if len(parts) < FEW <= len(lines):
                    parts = lines
                for part in parts:
                    yield split, {"text": part}

    def features(self, examples):
        import tensorflow_datasets.public_api as tfds

        return {"text": tfds.features.Text()}

    def tenths(self, examples):
        """Returns the tenth of the text, by paragraphs, that each is in, counted from the end."""
        return [9 - 10 * number // len(examples) for number in range(len(examples))]


def paragraphs(text):
    """Yields the paragraphs of a text. Lines of white space end a paragraph and belong to it."""
    lines, ended = [], False
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        is_empty = not line.strip()
        if ended and not is_empty:
            yield "".join(lines)
            lines, ended = [], False
        # Empty lines before the first paragraph belong to it as well.
        ended = is_empty and (ended or any(map(str.strip, lines)))
        lines.append(line)
    yield "".join(lines)
