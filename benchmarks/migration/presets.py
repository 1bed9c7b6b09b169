"""Migrates presets: renamed arguments, and classes that moved to another module."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import keras

from benchmarks.atomic import replace_folder
from zoo.pretrained import CARD

RENAMED = {"zoo>AudioBackbone": {"features": "front_end"}}


def migrate_preset(folder):
    """Updates the JSON files of a preset; weights stay unchanged.

    Renamed arguments get their current names, and moved classes their current modules. If there is
    a card, its digests and size are updated. A preset that is up to date isn't touched.

    Args:
        folder: path of the preset.

    Returns:
        The names of the files that changed, a list of str.

    Raises:
        ValueError: a file that needs a change doesn't match the card. Nothing is changed.
    """
    folder = Path(folder)
    changed = {}
    for path in sorted(folder.glob("*.json")):
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if path.name != CARD and (updated := _updated(content)) != content:
            changed[path.name] = json.dumps(updated, indent=4)
    if changed and (folder / CARD).is_file():
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        for name, text in changed.items():
            if card["sha256"][name] != _digest((folder / name).read_bytes()):
                raise ValueError(
                    f"{folder / name} doesn't match its card, so the preset was not changed. "
                    "Restore the file, or remove the preset."
                )
            card["bytes"] += len(text.encode()) - (folder / name).stat().st_size
            card["sha256"][name] = _digest(text.encode())
        changed[CARD] = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    if changed:
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(shutil.copytree(folder, Path(temporary, folder.name)))
            for name, text in changed.items():
                (made / name).write_text(text, encoding="utf-8")
            replace_folder(folder, made)
    return list(changed)


def _updated(value):
    """A JSON value with the current argument names and modules of its classes."""
    if isinstance(value, list):
        return [_updated(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: _updated(item) for key, item in value.items()}
    name = value.get("registered_name")
    cls = keras.saving.get_registered_object(name) if name else None
    if cls is None:
        return value
    names = RENAMED.get(name, {})
    config = {names.get(key, key): item for key, item in value["config"].items()}
    return {**value, "module": cls.__module__, "config": config}


def _digest(data):
    return hashlib.sha256(data).hexdigest()
