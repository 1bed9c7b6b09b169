"""Folders of a user's own files: three forms, splits, and what is said of broken ones."""

import numpy as np
import pytest
import soundfile

from zoo import datasets
from zoo.datasets import folder as module


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def write_texts(folder, count=60):
    rows = [f'"a film, number {n}",{"good" if n % 2 else "bad"}' for n in range(count)]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]))


def test_texts_are_divided_by_their_hash(folder):
    write_texts(folder)
    builder = datasets.builder(str(folder))
    assert builder.info.features["label"].names == ["bad", "good"]
    splits = {name: datasets.read(builder, name) for name in module.SPLITS}
    texts = [text for split in splits.values() for text in split["text"]]
    assert sorted(texts) == sorted(f"a film, number {n}" for n in range(60))
    assert len(splits["train"]["text"]) > 35
    again = datasets.read(datasets.builder(str(folder)), "test")
    assert again == splits["test"]


def test_texts_without_labels_are_a_split_of_their_own(folder):
    write_texts(folder)
    of_labelled = datasets.read(datasets.builder(str(folder)), "train")
    (folder / "unlabelled.csv").write_text("text\nwhat a day\na night\n")
    builder = datasets.builder(str(folder))
    assert builder.info.features["label"].names == ["bad", "good"]
    assert sorted(builder.info.splits) == ["test", "train", "unlabelled", "validation"]
    data = datasets.read(builder, "unlabelled")
    assert sorted(data["text"]) == ["a night", "what a day"]
    assert list(data["label"]) == [-1, -1]
    assert datasets.read(builder, "train") == of_labelled


def test_a_changed_file_is_another_dataset(folder):
    write_texts(folder)
    before = datasets.digest(datasets.builder(str(folder)))
    write_texts(folder, 70)
    assert datasets.digest(datasets.builder(str(folder))) != before


def test_translations_keep_splits_of_their_own(folder):
    for split, count in (("train", 40), ("validation", 3), ("test", 2)):
        for side in ("source", "target"):
            lines = [f"{side} {split} {number}" for number in range(count)]
            (folder / f"{split}.{side}").write_text("\n".join(lines) + "\n")
    builder = datasets.builder(str(folder))
    counts = {name: len(datasets.read(builder, name)["source"]) for name in module.SPLITS}
    assert counts == {"train": 40, "validation": 3, "test": 2}
    validation = datasets.read(builder, "validation")
    pairs = dict(zip(validation["source"], validation["target"], strict=True))
    assert pairs["source validation 1"] == "target validation 1"


def test_sounds_lie_in_folders_of_their_label(folder):
    for label in ("low", "high"):
        for number in range(20):
            path = folder / "train" / label / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.full(160, 0.5 if label == "high" else 0.25), 16000)
    builder = datasets.builder(str(folder))
    data = datasets.read(builder, "train")
    assert builder.info.features["label"].names == ["high", "low"]
    for clip, label in zip(data["audio"], data["label"], strict=True):
        assert clip.shape == (80,)
        assert abs(clip[40] - 32767 * (0.25 if label else 0.5)) < 300


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", "hello", "holds no data that can be told: expected train.csv"),
        ("train.csv", "review,label\na,b\n", "needs the columns text and label.*review, label"),
        ("train.csv", "", "an empty file"),
        ("unlabelled.csv", "texts\nfine\n", "needs the column text in its first line"),
        ("unlabelled.csv", "number,text\n3\n", "line 2: a text is missing"),
        ("train.csv", "text,label\nfine\n", "line 2: a text or a label is missing"),
        ("train.csv", "text,label\nfine,good\n", "too few examples"),
        ("train.source", "one\n", "train.target is missing"),
    ],
)
def test_a_broken_folder_says_what_to_change(folder, name, content, message):
    if name == "unlabelled.csv":
        write_texts(folder)
    (folder / name).write_text(content)
    with pytest.raises(module.FolderError, match=message):
        datasets.builder(str(folder))


def test_sides_of_unequal_length_are_refused(folder):
    (folder / "train.source").write_text("one\ntwo\n")
    (folder / "train.target").write_text("eins\n")
    with pytest.raises(module.FolderError, match=r"2 lines and .* has 1"):
        datasets.builder(str(folder))
