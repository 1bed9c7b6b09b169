"""Original files of datasets: taken from TFDS' `manual_dir`, or else downloaded."""

import dataclasses
import gzip
import hashlib
import zipfile


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
            NonMatchingChecksumError: The content has another hash.
        """
        from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError

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
        received = hashlib.sha256(content).hexdigest()
        if received != self.sha256:
            raise NonMatchingChecksumError(
                f"{path} isn't the original {self.name}: expected content with the SHA-256 "
                f"{self.sha256}, received {received}"
            )
        return content.decode("utf-8")


def manual_path(dl_manager, name):
    """Returns the path of a file in `manual_dir`, or None if it isn't there."""
    try:
        path = dl_manager.manual_dir / name
    except AssertionError:
        # TFDS raises it for a folder that doesn't exist or is empty.
        return None
    return path if path.exists() else None
