"""Tests of the layout of translations."""

import pytest

from zoo.datasets.errors import FolderError
from zoo.datasets.layouts import Translations


def pairs(folder, source, target):
    (folder / "train.source").write_bytes(source.encode())
    (folder / "train.target").write_bytes(target.encode())
    return [
        (example["source"], example["target"]) for _, example in Translations().examples(folder)
    ]


@pytest.mark.parametrize(
    ("source", "texts"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\ntwo", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("\ufeffone\n\n", ["one", ""]),
        ("one\rand a half\ntwo\n", ["one\rand a half", "two"]),
        ("one\r\r\ntwo\n", ["one\r", "two"]),
        ("one\u2028and a half\ntwo\x85\n", ["one\u2028and a half", "two\x85"]),
    ],
)
def test_only_line_feeds_separate_texts(folder, source, texts):
    assert pairs(folder, source, "eins\nzwei\n") == list(zip(texts, ["eins", "zwei"], strict=True))


def test_files_of_unequal_length_are_rejected(folder):
    with pytest.raises(FolderError, match=r"train\.source has 2 lines and .*train\.target has 1"):
        pairs(folder, "one\ntwo\n", "eins\n")


@pytest.mark.parametrize(
    ("split", "there", "missing"), [("train", "source", "target"), ("test", "target", "source")]
)
def test_a_missing_side_is_named(folder, split, there, missing):
    pairs(folder, "one\n", "eins\n")
    (folder / f"{split}.{missing}").unlink(missing_ok=True)
    (folder / f"{split}.{there}").write_text("one\n")
    with pytest.raises(FolderError, match=rf"{split}\.{missing} is missing"):
        list(Translations().examples(folder))


def test_a_file_in_another_encoding_is_named(folder):
    pairs(folder, "fine\n", "fein\n")
    (folder / "train.target").write_bytes("schön\n".encode("latin-1"))
    with pytest.raises(FolderError, match=r"train\.target, line 1: the text isn't UTF-8"):
        list(Translations().examples(folder))
