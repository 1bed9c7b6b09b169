"""Original files of datasets: taken from TFDS' `manual_dir`, or else downloaded."""

import dataclasses
import gzip
import hashlib
import tarfile
import zipfile
from collections.abc import Callable


@dataclasses.dataclass(frozen=True)
class HashedFile:
    """A file of a dataset.

    Attributes:
        name: Its original name. In TFDS' `manual_dir`, it is compressed and ends with `.gz`.
        sha256: The hash of its content.
        url: Its address, or that of the zip archive that holds it.
        member: Its name in the zip archive, if there is one.
    """

    name: str
    sha256: str
    url: str
    member: str | None = None

    def read(self, dl_manager):
        """Returns the content, a str, from `manual_dir`, or else from its address.

        Raises:
            NonMatchingChecksumError: The content has a different hash.
        """
        path = manual_path(dl_manager, f"{self.name}.gz")
        if path:
            content = gzip.decompress(path.read_bytes())
        else:
            path = dl_manager.download(self.url)
            if self.member:
                with zipfile.ZipFile(path) as archive:
                    content = archive.read(self.member)
            else:
                content = path.read_bytes()
        _check(hashlib.sha256(content), self.sha256, f"{path} isn't the original {self.name}")
        return content.decode("utf-8")


@dataclasses.dataclass(frozen=True)
class HashedArchive:
    """A tar archive of a dataset, of which some files are read.

    Their content is hashed, not the archive, since archives of the same files differ.

    Attributes:
        name: Its name in TFDS' `manual_dir`.
        sha256: The `content_hash` of the files that are read.
        url: Its address.
        place: A function from the name of a member to the name of the file, or to None if the
            member isn't read.
        clean: A function from the content of a member, bytes, to that of the file.
    """

    name: str
    sha256: str
    url: str
    place: Callable
    clean: Callable = bytes

    def read(self, dl_manager):
        """Returns a dict from the name of each file to its content, bytes, in the order of names.

        Raises:
            NonMatchingChecksumError: The files have different hashes.
        """
        path = manual_path(dl_manager, self.name) or dl_manager.download(self.url)
        files = self.files(path)
        _check(content_hash(files), self.sha256, f"{path} doesn't hold the original files")
        return files

    def files(self, path):
        """Returns what `read` does, whatever the content of the archive."""
        with tarfile.open(path) as archive:
            members = {
                name: member
                for member in archive.getmembers()
                if (name := self.place(member.name)) is not None
            }
            return {
                name: self.clean(archive.extractfile(members[name]).read())
                for name in sorted(members)
            }


def content_hash(files):
    """Returns the SHA-256 of files, a `hashlib` hash of the name, length and content of each."""
    content = hashlib.sha256()
    for name, held in files.items():
        content.update(f"{name} {len(held)}\n".encode() + held)
    return content


def _check(content, expected, fault):
    from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

    if content.hexdigest() != expected:
        raise NonMatchingChecksumError(
            f"{fault}: expected content with the SHA-256 {expected}, received {content.hexdigest()}"
        )


def manual_path(dl_manager, name):
    """Returns the path of a file in `manual_dir`, or None if it isn't there."""
    try:
        path = dl_manager.manual_dir / name
    except AssertionError:
        # TFDS raises it for a folder that doesn't exist or is empty.
        return None
    return path if path.exists() else None
