"""The datasets by name."""

import contextlib
import difflib
import importlib
import io
import os
import re
from pathlib import Path

import filelock

from zoo.datasets import cache

# Each is the folder of its builder.
_NAMES = ["home_assistant", "japanese_vowels", "multi30k", "rotten_tomatoes"]


class DatasetError(ValueError):
    """There is no dataset of that name, or it can't be fetched; the message says what to do."""


def names():
    """Returns the names of the datasets that live here, sorted."""
    return sorted(_NAMES)


def builder(name):
    """Returns the TFDS builder of a dataset, prepared: fetched, split and written if need be.

    Prepared data is looked for in the folder `TFDS_DATA_DIR`, if that is set, which is only read;
    then in the cache (`ZOO_DATA_DIR`), where it is prepared if it isn't there either. Original
    archives that a TFDS dataset would download may be laid into `tfds/downloads/manual` of the
    cache.

    Args:
        name: One of `names()`, or of any other TFDS dataset, with its configuration and version if
            it has some: `"home_assistant/en-de"`, `"imdb_reviews/plain_text:1.0.0"`. Or a folder
            of data that TFDS prepared, or one of your own files (see `zoo.datasets.folder`).

    Returns:
        A `tfds.core.DatasetBuilder`.

    Raises:
        DatasetError: No dataset or configuration has that name, or its site can't be reached or
            gives other files than were asked for.
        zoo.datasets.folder.FolderError: The folder holds no data.
        zoo.datasets.wheels.WheelError: The data can't be fetched.
    """
    import tensorflow_datasets as tfds

    if Path(name, "dataset_info.json").is_file():
        return tfds.builder_from_directory(name)
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


def _prepared(make, quietly):
    """Returns the builder that `make` makes, once its data lies in the cache."""
    found = make()
    if not found.data_path.exists():
        lock = found.info.full_name.replace("/", "-")
        with filelock.FileLock(cache.folder("tfds") / f".{lock}.lock"):
            # Another process may have prepared it while this one waited.
            if not found.data_path.exists():
                _prepare(found, quietly)
        # That other process' data isn't known to the builder yet.
        found = make()
    return found


def _prepare(builder, quietly):
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.download import download_manager, util

    tfds.display_progress_bar(not quietly)
    not_fetched = (OSError, util.DownloadError, download_manager.NonMatchingChecksumError)
    try:
        with contextlib.redirect_stdout(io.StringIO()) if quietly else contextlib.nullcontext():
            builder.download_and_prepare()
    except not_fetched as error:
        raise DatasetError(
            f"{builder.info.full_name} can't be fetched and prepared: {error}. If its site can't "
            "be reached or changed its files, put the original archives into "
            f"{cache.folder('tfds') / 'downloads' / 'manual'}, or set TFDS_DATA_DIR to a folder "
            "where the prepared data lies."
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
        f"{', '.join(names())}. Every dataset of TensorFlow Datasets can be named as well, and the "
        "path of a folder of your own files, such as train.csv, or of data that it prepared."
    )


def _nearest(word, possibilities):
    return difflib.get_close_matches(word, sorted(possibilities), n=3, cutoff=0)
