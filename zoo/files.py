"""Files that users name."""

import errno
import os
import stat
from pathlib import Path


def read_bytes(path):
    """Returns the content of a regular file.

    Args:
        path: str or Path.

    Raises:
        OSError, ValueError: As `require_file`; or the file can't be read.
    """
    require_file(path)
    return Path(path).read_bytes()


def require_file(path):
    """Checks that a path leads to a regular file: a pipe or a device might never end.

    Args:
        path: str or Path.

    Raises:
        OSError: There is no file, or it is a folder.
        ValueError: It is a pipe or a device.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is a pipe or a device. Write what it gives into a file first.")
