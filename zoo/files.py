"""Checks of files given by users, and errors of full disks."""

import errno
import os
import stat
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
# The wording of libraries that drop the error number.
FULL_TEXTS = ("no space left on device", "disk quota exceeded", "database or disk is full")


def read_bytes(path):
    """Returns the content of a regular file.

    Args:
        path: str or Path.

    Raises:
        OSError, ValueError: As `require_file`; or the file can't be read.
    """
    require_file(path)
    return Path(path).read_bytes()


def full_disk(error):
    """Returns the first exception that reports a full disk, of one and those that caused it.

    Args:
        error: An exception.

    Returns:
        An exception, or None.
    """
    while error is not None:
        told = str(error).lower()
        if getattr(error, "errno", None) in FULL or any(text in told for text in FULL_TEXTS):
            return error
        error = error.__cause__ or error.__context__
    return None


def explain_full_disk(error, folder):
    """Raises a one-line OSError if an exception, or one that caused it, reports a full disk.

    Args:
        error: An exception.
        folder: str or Path, the folder that was written to.
    """
    if full_disk(error):
        raise OSError(errno.ENOSPC, "The disk is full: make room", str(folder)) from error


def require_file(path):
    """Checks that a path is a regular file: a pipe or a device might never end.

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
