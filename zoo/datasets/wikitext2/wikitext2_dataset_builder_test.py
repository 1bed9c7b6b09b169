"""Tests of the dataset `wikitext2`."""

import dataclasses
import gzip
import hashlib
from pathlib import Path
from unittest import mock

import pytest
import requests
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets.errors import DatasetError
from zoo.datasets.wikitext2 import wikitext2_dataset_builder as module

DUMMY = Path(module.__file__).parent / "dummy_data"
TEXTS = {
    split: gzip.decompress((DUMMY / f"{file.name}.gz").read_bytes())
    for split, file in module.FILES.items()
}
# The files that the addresses lead to.
DOWNLOADS = {
    file.url: DUMMY / ("wikitext2.zip" if file.member else file.name)
    for file in module.FILES.values()
}


def dummy_files():
    """Returns a context in which the builder expects the hashes of the dummy files."""
    files = {
        split: dataclasses.replace(file, sha256=hashlib.sha256(TEXTS[split]).hexdigest())
        for split, file in module.FILES.items()
    }
    return mock.patch.object(module, "FILES", files)


class WikiText2Test(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 3, "validation": 1, "test": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(dummy_files())


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return tmp_path


def put(cache, split, content):
    manual = cache / "tfds" / "downloads" / "manual"
    manual.mkdir(parents=True, exist_ok=True)
    (manual / f"{module.FILES[split].name}.gz").write_bytes(gzip.compress(content))


def downloads(**arguments):
    return mock.patch.object(tfds.download.DownloadManager, "download", **arguments)


def test_joined_examples_are_the_file(cache):
    with dummy_files(), downloads(side_effect=DOWNLOADS.__getitem__):
        builder = datasets.builder("wikitext2")
    for split, text in TEXTS.items():
        assert "".join(datasets.read(builder, split)["text"]).encode() == text


def test_files_in_the_manual_folder_are_used_instead_of_the_addresses(cache):
    for split, text in TEXTS.items():
        put(cache, split, text)
    with dummy_files(), downloads(side_effect=requests.ConnectionError):
        builder = datasets.builder("wikitext2")
    assert builder.info.splits["train"].num_examples == 3


def test_a_changed_file_is_an_error_that_names_it(cache):
    put(cache, "train", TEXTS["train"] + b" one more line \n")
    with (
        dummy_files(),
        pytest.raises(DatasetError, match=r"wiki\.train\.tokens\.gz isn't.*SHA-256"),
    ):
        datasets.builder("wikitext2")


def test_only_a_title_between_empty_lines_starts_an_article():
    first = (
        " \n = One = \n \n text = 1 \n \n = = Section = = \n \n"
        " Key : W \n = Wins ; L = \n Losses \n \n = Item : one = \n text \n"
    )
    second = " = Two ( song ) = \n \n text \n"
    assert module.articles(f"{first} \n{second}") == [f"{first} \n", second]
