"""Downloads the files of presets that an installation doesn't include."""

import hashlib
import http.client
import importlib.metadata
import os
import shutil
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

from zoo.preset_files import CARD, PresetError

TIMEOUT = 30  # seconds without an answer


def folder(installed: Path, sha256: dict[str, str]) -> Path:
    """The folder with all files of a preset, downloaded on first use.

    A wheel includes every card, but only the weights of small presets. The rest comes from
    `ZOO_PRESETS`, a folder or URL that holds folders of presets, by default that of this release,
    and stays in the cache of data.

    Args:
        installed: Path, the preset's folder in the package.
        sha256: SHA-256 of each file, by its path in the folder, as the preset's card lists them.

    Returns:
        A `Path`: `installed` if no file is missing there.

    Raises:
        PresetError: a file isn't available, or isn't the one that the card lists.
    """
    if all((installed / name).is_file() for name in sha256):
        return installed
    from zoo.datasets import cache  # here, because it imports NumPy

    content = hashlib.sha256(repr(sorted(sha256.items())).encode()).hexdigest()
    cached = cache.folder("presets") / f"{installed.name}-{content[:16]}"
    if not cached.is_dir():
        with tempfile.TemporaryDirectory(prefix="partial-", dir=cached.parent) as partial:
            whole = Path(partial) / installed.name
            _fetch(sha256, whole)
            shutil.copy(installed / CARD, whole)
            _rename(whole, cached)
    return cached


def _fetch(sha256, target):
    """Copies the files of a preset from its source into the folder `target`."""
    source = os.environ.get("ZOO_PRESETS") or _of_release()
    if "://" not in source:
        source = Path(source).expanduser().absolute().as_uri()
    for name, expected in sha256.items():
        url = f"{source.rstrip('/')}/{urllib.parse.quote(f'{target.name}/{name}')}"
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
                content = answer.read()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise PresetError(
                f"The weights of preset {target.name!r} are not part of this installation, and "
                f"{url} can't be read: {error}. Set ZOO_PRESETS to a folder or URL with the "
                "presets, such as the folder zoo/presets of a clone."
            ) from error
        if hashlib.sha256(content).hexdigest() != expected:
            raise PresetError(
                f"{url} is not the file that the card of preset {target.name!r} lists: its SHA-256 "
                "differs. Set ZOO_PRESETS to presets of this version of the zoo."
            )
        (target / name).write_bytes(content)


def _of_release():
    """The URL of the presets in the release of the zoo that is installed."""
    about = importlib.metadata.metadata("recurrent-zoo")
    urls = dict(line.split(", ") for line in about.get_all("Project-URL"))
    return f"{urls['Source']}/raw/v{about['Version']}/zoo/presets"


def _rename(folder, name):
    try:
        folder.rename(name)
    except OSError:
        if not name.is_dir():  # otherwise another process was faster
            raise
