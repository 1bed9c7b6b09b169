"""Tests of the dataset `an4`."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from zoo import datasets
from zoo.datasets import testing
from zoo.datasets.an4 import an4_dataset_builder as module
from zoo.datasets.errors import DatasetError

DUMMY = Path(module.__file__).parent / "dummy_data" / module.ARCHIVE.name


class An4Test(testing.ArchiveTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 11, "validation": 1, "test": 1}
    OVERLAPPING_SPLITS = []


def as_downloaded(folder):
    """The dummy archive as its address leads to it: in a folder named after the commit."""
    made = folder / f"Machine-Learning-Project-ASR-{module.COMMIT}"
    with tarfile.open(DUMMY) as archive:
        for member in filter(tarfile.TarInfo.isfile, archive):
            (made / member.name).parent.mkdir(parents=True, exist_ok=True)
            (made / member.name).write_bytes(archive.extractfile(member).read())
    path = folder / "downloaded.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(made, made.name)
    return path


def test_the_archive_is_downloaded_where_there_is_none(tmp_path):
    path = as_downloaded(tmp_path)
    with testing.dummy_archive(module), testing.downloads(tmp_path, return_value=path):
        builder = datasets.builder("an4")
    train = datasets.read(builder, "train")
    held_out = datasets.read(builder, "validation")
    assert len(set(train["speaker"])) == 10
    assert not set(train["speaker"]) & set(held_out["speaker"])
    assert datasets.read(builder, "test")["text"] == ["ERASE C ONE"]
    assert train["frames"][0].shape[1] == 13


def test_a_line_of_transcripts_is_a_text_and_its_name():
    content = "<s> RUBOUT G M </s> (an406-fcaw-b)\n\nGO (an409-fcaw-b) \n"
    assert module.transcripts(content) == {"an406-fcaw-b": "RUBOUT G M", "an409-fcaw-b": "GO"}


def test_cepstra_are_big_endian_after_their_number():
    values = np.arange(26, dtype=">f4")
    content = (26).to_bytes(4, "big") + values.tobytes()
    np.testing.assert_array_equal(module.cepstra(content), values.reshape(2, 13))
    assert module.cepstra(content).dtype == np.float32
    with pytest.raises(DatasetError, match=r"declares 26 values, .* has 25"):
        module.cepstra(content[:-4])
