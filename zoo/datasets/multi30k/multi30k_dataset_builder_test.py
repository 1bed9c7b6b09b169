"""Tests of the dataset `multi30k`."""

from pathlib import Path
from unittest import mock

import pytest
import tensorflow_datasets as tfds

from zoo.datasets.multi30k import multi30k_dataset_builder as module

DUMMY = Path(module.__file__).parent / "dummy_data"


def dummy_files(*languages):
    return {
        split: [DUMMY / f"{name}.{language}.gz" for language in languages]
        for split, name in module.FILES.items()
    }


class Multi30kTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ["de-en"]
    SPLITS = {"train": 3, "validation": 2, "test": 1}
    DL_EXTRACT_RESULT = {
        split: [path.name for path in paths] for split, paths in dummy_files("de", "en").items()
    }
    DL_DOWNLOAD_RESULT = DL_EXTRACT_RESULT


def test_every_file_has_a_checksum():
    known = module.Builder.url_infos
    for name in module.FILES.values():
        for language in module.NAMES:
            assert f"{module.URL}/{name}.{language}.gz" in known


def test_source_and_target_follow_the_configuration(tmp_path):
    for name in ("de-en", "en-de"):
        builder = module.Builder(config=name, data_dir=tmp_path)
        files = dummy_files(*name.split("-"))
        manager = tfds.download.DownloadManager
        with mock.patch.object(manager, "download", return_value=files):
            builder.download_and_prepare()
        (example,) = tfds.as_numpy(builder.as_dataset(split="test"))
        german, english = b"Ein Boot liegt still.", b"A boat lies still."
        expected = (german, english) if name == "de-en" else (english, german)
        assert (example["source"], example["target"]) == expected


def test_files_of_unequal_length_are_rejected(tmp_path):
    builder = module.Builder(config="de-en", data_dir=tmp_path)
    train = dummy_files("de", "en")["train"]
    test = dummy_files("de", "en")["test"]
    with pytest.raises(ValueError, match=r"3 lines and .* has 1\. Each line"):
        list(builder._generate_examples(train[0], test[1]))
