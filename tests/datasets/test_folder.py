"""Tests of a user's folder: recognition, splits, its name and preparation."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from zoo import datasets
from zoo.datasets import cache
from zoo.datasets import folder as module
from zoo.datasets.errors import FolderError
from zoo.datasets.layouts import (
    LAYOUTS,
    Conversations,
    Documents,
    Sounds,
    Texts,
    Translations,
)
from zoo.datasets.layouts.layout import SPLITS


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())


def write_texts(folder, count=60):
    rows = [f'"a film, number {n}",{"good" if n % 2 else "bad"}' for n in range(count)]
    write(folder, {"train.csv": "\n".join(["text,label", *rows])})


def write_sound(path, samples):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, 16000, subtype="FLOAT")


def test_a_folder_without_data_names_every_layout(folder):
    write(folder, {"notes.txt": "hello", "other/a/1.wav": "", "1.wav": ""})
    with pytest.raises(FolderError, match="holds no data in a known layout") as error:
        datasets.builder(str(folder))
    for layout in LAYOUTS:
        assert layout.description in str(error.value)


@pytest.mark.parametrize(
    ("files", "layout", "name"),
    [
        ({"train.csv": "text,label\n", "unlabelled.csv": "text\n"}, Texts, "own-4fde2bf2e9b39620"),
        ({"train.source": "one", "train.target": "eins"}, Translations, "own-ce9930b81a4a78b4"),
        ({"train/a/1.wav": "1", "test/b/2.FLAC": "2"}, Sounds, "own-6db6d99f877d118d"),
        ({"train.txt": "one", "test.txt": "two"}, Documents, "own-bf8225087f0f6c1d"),
        ({"train.jsonl": '{"turns": ["a", "b"]}'}, Conversations, "own-527660d991b7c5ca"),
    ],
)
def test_files_tell_the_layout_and_name_the_dataset(folder, tmp_path, files, layout, name):
    write(folder, {**files, "README.md": "not data"})
    assert isinstance(module.layout_of(folder), layout)
    assert module.builder(folder, tmp_path).builder_config.name == name


@pytest.mark.parametrize(
    ("misnamed", "right"),
    [
        ("valid.csv", "validation.csv"),
        ("TEST.csv", "test.csv"),
        ("dev.source", "validation.source"),
        ("val/a/1.wav", "validation"),
        ("Train/a/1.wav", "train"),
        ("unlabeled.csv", "unlabelled.csv"),
        ("training.jsonl", "train.jsonl"),
    ],
)
def test_a_file_named_almost_like_a_split_is_not_ignored(folder, tmp_path, misnamed, right):
    write(folder, {"train.csv": "text,label\n", misnamed: ""})
    with pytest.raises(FolderError, match=f"would not be read. Rename it to {right}"):
        module.builder(folder, tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "is a pipe or a device"),
        (lambda path: path.symlink_to("/dev/zero"), "is a pipe or a device"),
        (lambda path: path.symlink_to("nowhere"), "can't be read: No such file or directory"),
        (lambda path: path.symlink_to(path.name), "can't be read: Too many levels of symbolic"),
    ],
)
def test_what_is_no_regular_file_is_named(folder, tmp_path, make, message):
    write(folder, {"train/a/1.wav": ""})
    make(folder / "train/a/2.wav")
    with pytest.raises(FolderError, match=rf"2\.wav {message}"):
        module.builder(folder, tmp_path)


def test_a_name_in_another_encoding_is_refused(folder, tmp_path):
    path = folder / os.fsdecode(b"train/caf\xe9/1.wav")
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(FolderError, match=r"train/caf.*/1\.wav isn't UTF-8. Rename") as error:
        module.builder(folder, tmp_path)
    str(error.value).encode()


def test_other_files_beside_the_splits_are_allowed(folder, tmp_path):
    write(folder, {"train.csv": "text,label\n", "dev.md": "", "values.csv": "", "tests/a.csv": ""})
    assert module.builder(folder, tmp_path).builder_config.layout


def test_texts_win_over_sounds(folder):
    write(folder, {"train.csv": "text,label\n", "train/a/1.wav": ""})
    assert isinstance(module.layout_of(folder), Texts)


def test_texts_are_split_by_their_hash(folder):
    write_texts(folder)
    builder = datasets.builder(str(folder))
    assert builder.info.features["label"].names == ["bad", "good"]
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert counts == {"train": 46, "validation": 5, "test": 9}
    texts = [text for name in SPLITS for text in datasets.read(builder, name)["text"]]
    assert sorted(texts) == sorted(f"a film, number {n}" for n in range(60))


def test_unlabelled_texts_are_a_split_of_their_own(folder):
    write_texts(folder)
    labelled = datasets.read(datasets.builder(str(folder)), "train")
    write(folder, {"unlabelled.csv": "text\nwhat a day\na night\n"})
    builder = datasets.builder(str(folder))
    assert builder.info.features["label"].names == ["bad", "good"]
    assert sorted(builder.info.splits) == ["test", "train", "unlabelled", "validation"]
    data = datasets.read(builder, "unlabelled")
    assert sorted(data["text"]) == ["a night", "what a day"]
    assert data["label"] == [-1, -1]
    assert datasets.read(builder, "train") == labelled


def test_a_changed_file_makes_another_dataset(folder):
    write_texts(folder)
    before = datasets.digest(datasets.builder(str(folder)))
    write_texts(folder, 70)
    assert datasets.digest(datasets.builder(str(folder))) != before


def test_given_splits_are_kept(folder):
    for split, count in (("train", 40), ("validation", 3), ("test", 2)):
        for side in ("source", "target"):
            lines = [f"{side} {split} {number}\n" for number in range(count)]
            write(folder, {f"{split}.{side}": "".join(lines)})
    builder = datasets.builder(str(folder))
    counts = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert counts == {"train": 40, "validation": 3, "test": 2}
    validation = datasets.read(builder, "validation")
    pairs = dict(zip(validation["source"], validation["target"], strict=True))
    assert pairs["source validation 1"] == "target validation 1"


def test_documents_keep_their_order_and_lose_their_end_to_missing_splits(folder):
    text = "".join(f"paragraph\n{number}\n\n" for number in range(1500))
    write(folder, {"train.txt": text})
    builder = datasets.builder(str(folder))
    splits = {split: datasets.read(builder, split)["text"] for split in SPLITS}
    assert {split: len(texts) for split, texts in splits.items()} == {
        "train": 1200,
        "validation": 150,
        "test": 150,
    }
    assert "".join(splits["train"] + splits["test"] + splits["validation"]) == text


def test_conversations_are_read_as_lists_of_texts(folder):
    lines = {f'{{"turns": ["a {n}", "b", "ö"]}}' for n in range(60)}
    write(folder, {"train.jsonl": "\n".join(sorted(lines))})
    builder = datasets.builder(str(folder))
    conversations = [turns for split in SPLITS for turns in datasets.read(builder, split)["turns"]]
    assert sorted(conversations) == sorted([f"a {n}", "b", "ö"] for n in range(60))
    counts = [builder.info.splits[split].num_examples for split in SPLITS]
    assert sum(counts) == 60
    assert counts[0] > 40


def test_sounds_are_prepared_as_16_bits_at_8_khz(folder):
    for label, level in (("low", 0.25), ("high", 0.5)):
        for number in range(20):
            write_sound(folder / "train" / label / f"{number}.wav", np.full(160, level))
    builder = datasets.builder(str(folder))
    data = datasets.read(builder, "train")
    assert builder.info.features["label"].names == ["high", "low"]
    for clip, label in zip(data["audio"], data["label"], strict=True):
        assert clip.shape == (80,)
        assert abs(clip[40] - 32767 * (0.25 if label else 0.5)) < 300


def test_a_moved_folder_of_sounds_keeps_its_splits(folder, tmp_path):
    def split_names(folder):
        splits = module.divided(list(Sounds().examples(folder)), Sounds().tenths)
        return {
            split: [Path(example["audio"]).name for example in examples]
            for split, examples in splits.items()
        }

    write(folder, {f"train/a/{number}.wav": "" for number in range(40)})
    before = split_names(folder)
    assert split_names(folder.rename(tmp_path / "moved")) == before


def test_a_broken_sound_stops_the_preparation_and_is_named(folder):
    for split in SPLITS:
        write_sound(folder / split / "a" / "1.wav", np.zeros(160))
    write_sound(folder / "train" / "a" / "2.wav", np.array([0, np.nan] * 80))
    with pytest.raises(FolderError, match=r"train/a/2\.wav holds samples that are NaN"):
        datasets.builder(str(folder))
    assert not [path for path in cache.folder("tfds").rglob("*") if "2.0.0" in path.parts]


def test_too_few_examples_to_split_are_an_error(folder):
    write(folder, {"train.csv": "text,label\nfine,good\n"})
    with pytest.raises(FolderError, match=r"too few examples to take any for .*: 1 in all"):
        datasets.builder(str(folder))
