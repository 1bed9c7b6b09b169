"""Helpers that test builders offline, with small wheels and archives in place of the originals."""

import contextlib
import dataclasses
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import tensorflow_datasets as tfds

from zoo.datasets import ett_builder
from zoo.datasets.originals import content_hash
from zoo.datasets.wheels import Wheel, sha256


def make_wheel(folder, name, version, members, metadata=""):
    """Writes a wheel that pip accepts.

    Args:
        folder: The folder to write it to.
        name: The name of the distribution.
        version: Its version.
        members: A dict from the name of each member to its bytes.
        metadata: Lines to add to the wheel's metadata.

    Returns:
        The `Wheel`, pinned to the file that was written.
    """
    wheel = Wheel(name, version, sha256="")
    path = Path(folder, wheel.filename)
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return Wheel(name, version, sha256(path))


def only_from(folder):
    """Returns a context in which pip looks for wheels only in `folder`."""
    pip = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    return mock.patch.dict(os.environ, {**pip, **offline}, clear=True)


@contextlib.contextmanager
def dummy_data(module):
    """Makes a builder read a wheel with the files in its folder `dummy_data`, with an empty cache.

    Args:
        module: The module of the builder. Its wheel is `WHEEL`.
    """
    root = Path(module.__file__).parent / "dummy_data"
    members = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as cache:
        wheel = make_wheel(folder, module.WHEEL.name, module.WHEEL.version, members)
        with (
            only_from(folder),
            mock.patch.object(module, "WHEEL", wheel),
            mock.patch.dict(os.environ, {"ZOO_DATA_DIR": cache}),
        ):
            yield


class BuilderTestCase(tfds.testing.DatasetBuilderTestCase):
    """TFDS' tests of a builder, run on its `dummy_data`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(dummy_data(sys.modules[cls.DATASET_CLASS.__module__]))


@contextlib.contextmanager
def downloads(cache, **arguments):
    """Prepares datasets into a cache, and downloads nothing.

    Args:
        cache: The folder of the cache.
        arguments: What a download does, as arguments of `mock.Mock`, such as `return_value`.
    """
    with (
        mock.patch.dict(os.environ, {"ZOO_DATA_DIR": str(cache)}),
        mock.patch.object(tfds.download.DownloadManager, "download", **arguments),
    ):
        os.environ.pop("TFDS_DATA_DIR", None)
        yield


def dummy_archive(module):
    """Returns a context in which a builder accepts the archive in its folder `dummy_data` as the
    original.

    Args:
        module: The module of the builder. Its `HashedArchive` is `ARCHIVE`.
    """
    path = Path(module.__file__).parent / "dummy_data" / module.ARCHIVE.name
    found = content_hash(module.ARCHIVE.files(path)).hexdigest()
    return mock.patch.object(module, "ARCHIVE", dataclasses.replace(module.ARCHIVE, sha256=found))


class ArchiveTestCase(tfds.testing.DatasetBuilderTestCase):
    """TFDS' tests of a builder, run on the archive in its `dummy_data`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(dummy_archive(sys.modules[cls.DATASET_CLASS.__module__]))


def small_ett(builder):
    """Returns contexts in which a transformer's dataset has months of two hours, and the expected
    hash is that of its dummy table.

    Args:
        builder: The class of the builder, a subclass of `ett_builder.EttBuilder`.
    """
    hash = sha256(dummy_table(builder))
    return [
        mock.patch.multiple(ett_builder, TRAIN=36, VALIDATION=12, TEST=12),
        mock.patch.object(builder, "FILE", dataclasses.replace(builder.FILE, sha256=hash)),
    ]


def dummy_table(builder):
    """Returns the path of the dummy table of a transformer's dataset, given its builder's class."""
    return Path(sys.modules[builder.__module__].__file__).parent / "dummy_data" / builder.FILE.name


class EttTest(tfds.testing.DatasetBuilderTestCase):
    """TFDS' tests of a transformer's dataset."""

    BUILDER_CONFIG_NAMES_TO_TEST = ("h24",)
    SPLITS = {"train": 2, "validation": 2, "test": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for context in small_ett(cls.DATASET_CLASS):
            cls.enterClassContext(context)
