"""Tests of builders without a network: wheels made for a test, which pip finds in a folder."""

import contextlib
import os
import sys
import tempfile
import zipfile
from pathlib import Path
from unittest import mock

import tensorflow_datasets as tfds

from zoo.datasets.wheels import Wheel, sha256


def make_wheel(folder, name, version, members, metadata=""):
    """Writes a wheel that pip takes for one.

    Args:
        folder: The folder to write it to.
        name: The name of the distribution.
        version: Its version.
        members: A dict of the bytes of each member by its name.
        metadata: Lines to add to its metadata.

    Returns:
        The `Wheel`, pinned to what was written.
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
    """Returns a context in which pip looks for wheels in `folder` and nowhere else."""
    pip = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    return mock.patch.dict(os.environ, {**pip, **offline}, clear=True)


@contextlib.contextmanager
def dummy_data(module):
    """Makes a builder read a wheel of the files in its folder `dummy_data`, in a cache of its own.

    Args:
        module: The module of the builder, with its wheel as `WHEEL`.
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
    """TFDS' tests of a builder, with its `dummy_data`."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.enterClassContext(dummy_data(sys.modules[cls.DATASET_CLASS.__module__]))
