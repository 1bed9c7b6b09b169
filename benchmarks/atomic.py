"""Atomic replacement of files and folders: a kill leaves either the old one or the new one."""

import tempfile
from pathlib import Path


def replace_text(path, text):
    """Writes a file in UTF-8, replacing an earlier one."""
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path, content):
    """Writes a file of bytes, replacing an earlier one."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(path)


def replace_folder(path, made):
    """Moves the folder `made` to `path`, replacing an earlier one on the same file system."""
    with tempfile.TemporaryDirectory(dir=path.parent) as aside:
        if path.exists():
            path.rename(Path(aside, path.name))
        made.rename(path)
