"""Archives of original files: where they are looked for, and what is refused."""

import importlib
import shutil
from pathlib import Path

import pytest
import requests

from zoo import datasets
from zoo.datasets import testing
from zoo.datasets.errors import DatasetError

ARCHIVES = ("an4", "spoken_arabic_digits")


@pytest.fixture(params=ARCHIVES)
def name(request):
    return request.param


@pytest.fixture
def module(name):
    return importlib.import_module(f"zoo.datasets.{name}.{name}_dataset_builder")


@pytest.fixture
def dummy(module):
    return Path(module.__file__).parent / "dummy_data" / module.ARCHIVE.name


def test_an_archive_in_the_manual_folder_is_used_instead_of_the_address(
    name, module, dummy, tmp_path
):
    manual = tmp_path / "tfds" / "downloads" / "manual"
    manual.mkdir(parents=True)
    shutil.copy(dummy, manual)
    with (
        testing.dummy_archive(module),
        testing.downloads(tmp_path, side_effect=requests.ConnectionError),
    ):
        assert datasets.builder(name).info.splits["train"].num_examples > 0


def test_an_archive_of_other_files_is_an_error_that_names_it(name, module, dummy, tmp_path):
    with (
        testing.downloads(tmp_path, return_value=dummy),
        pytest.raises(DatasetError, match=rf"{module.ARCHIVE.name} doesn't hold .*SHA-256"),
    ):
        datasets.builder(name)
