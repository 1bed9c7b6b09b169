"""Tests of reading and hashing prepared data."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from zoo import datasets

ROWS = [
    {"text": "schön", "label": "yes", "frames": [[1, 2]], "pair": {"de": "eins", "en": "one"}},
    {"text": "", "label": "no", "frames": [], "pair": {"de": "zwei", "en": "two"}},
    {"text": "x", "label": "no", "frames": [[3, 4], [5, 6]], "pair": {"de": "", "en": "three"}},
]

# The digest of ROWS as the training split, with the first two as the test split.
DIGEST = "eb92ed32a0bb07e11ea26b13722f2f0abaaa11fd60507170c3ea679a5ba9fb84"


def prepared(folder, train=ROWS, test=ROWS[:2], classes=("no", "yes"), shards=1):
    """Returns a builder whose data is prepared in `folder`, with `shards` files per split."""

    class Sample(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "text": tfds.features.Text(),
                "label": tfds.features.ClassLabel(names=classes),
                "frames": tfds.features.Tensor(shape=(None, 2), dtype=np.float32),
                "pair": tfds.features.Translation(("de", "en")),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(train), "test": self._generate_examples(test)}

        def _generate_examples(self, rows):
            for key, row in enumerate(rows):
                frames = np.array(row["frames"], "float32").reshape(-1, 2)
                yield key, {**row, "frames": frames}

    builder = Sample(data_dir=folder)
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(num_shards=shards))
    return builder


def test_a_split_is_read_as_lists(tmp_path):
    columns = datasets.read(prepared(tmp_path), "train")
    assert set(columns) == {"text", "label", "frames", "pair/de", "pair/en"}
    order = [[row["text"] for row in ROWS].index(text) for text in columns["text"]]
    rows = [ROWS[index] for index in order]
    assert columns["label"] == [("no", "yes").index(row["label"]) for row in rows]
    assert columns["pair/de"] == [row["pair"]["de"] for row in rows]
    assert columns["pair/en"] == [row["pair"]["en"] for row in rows]
    for frames, row in zip(columns["frames"], rows, strict=True):
        assert frames.dtype == np.float32
        np.testing.assert_array_equal(frames, np.array(row["frames"]).reshape(-1, 2))


def test_sequences_of_texts_are_read_as_lists(tmp_path):
    class Sample(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            turns = tfds.features.Sequence(tfds.features.Text())
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict({"turns": turns})
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate({"turns": turns} for turns in rows)

    rows = [["schön", ""], ["one", "two", "three"], [], ["x"]]
    builder = Sample(data_dir=tmp_path)
    builder.download_and_prepare()
    assert sorted(datasets.read(builder, "train")["turns"]) == sorted(rows)


def test_the_order_of_examples_does_not_depend_on_the_number_of_files(tmp_path):
    rows = [{**ROWS[0], "text": f"number {number}"} for number in range(1500)]
    columns = datasets.read(prepared(tmp_path / "a", train=rows), "train")
    assert sorted(columns["text"]) == sorted(row["text"] for row in rows)
    in_two_files = datasets.read(prepared(tmp_path / "b", train=rows, shards=2), "train")
    assert in_two_files["text"] == columns["text"]


def test_slices_and_sums_of_splits_are_read(tmp_path):
    builder = prepared(tmp_path)
    whole = datasets.read(builder, "train")
    assert datasets.read(builder, "train[:2]")["text"] == whole["text"][:2]
    both = datasets.read(builder, "train + test[:1]")["text"]
    assert both == whole["text"] + datasets.read(builder, "test")["text"][:1]


def test_an_unknown_split_names_the_nearest(tmp_path):
    with pytest.raises(ValueError, match=r"no split 'tests'\. Did you mean 'test'"):
        datasets.read(prepared(tmp_path), "tests")


def test_the_digest_is_the_same_everywhere(tmp_path):
    assert datasets.digest(prepared(tmp_path)) == DIGEST


def test_the_digest_depends_neither_on_the_order_nor_on_the_number_of_files(tmp_path):
    digest = datasets.digest(prepared(tmp_path / "a"))
    assert datasets.digest(prepared(tmp_path / "b", train=ROWS[::-1])) == digest
    assert datasets.digest(prepared(tmp_path / "c", shards=2)) == digest


@pytest.mark.parametrize(
    "changed",
    [
        {"train": [{**ROWS[0], "text": "schon"}, *ROWS[1:]]},
        {"train": [{**ROWS[0], "frames": [[1, 2.5]]}, *ROWS[1:]]},
        {"train": [{**ROWS[0], "frames": [[1, 2], [0, 0]]}, *ROWS[1:]]},
        {"train": [{**ROWS[0], "pair": {"de": "one", "en": "eins"}}, *ROWS[1:]]},
        {"train": [*ROWS, ROWS[0]]},
        {"train": ROWS[:2]},
        {"test": ROWS[1:]},
        {"train": ROWS[:2], "test": ROWS},
        {"classes": ("yes", "no")},
        {"classes": ("no", "yes", "maybe")},
    ],
)
def test_the_digest_changes_with_the_content(tmp_path, changed):
    digest = datasets.digest(prepared(tmp_path / "a"))
    assert datasets.digest(prepared(tmp_path / "b", **changed)) != digest


@pytest.mark.parametrize("use", [lambda builder: datasets.read(builder, "train"), datasets.digest])
def test_damaged_files_are_reported(tmp_path, use):
    builder = prepared(tmp_path)
    [path] = Path(builder.data_dir).glob("*train*")
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    with pytest.raises(OSError, match=r"(?s)damaged.*Delete the folder"):
        use(builder)
    # A file truncated between two examples looks intact.
    path.write_bytes(b"")
    with pytest.raises(
        OSError, match=r"(?s)damaged.*(train has 0 of 3 examples|3 elements but contained only 0)"
    ):
        use(builder)
    path.unlink()
    with pytest.raises(OSError, match="damaged"):
        use(builder)
