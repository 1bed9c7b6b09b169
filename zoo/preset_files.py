"""The files of a preset, checked before anything is built from them.

KerasHub builds the classes that a preset's JSON files name: those that `registered_name` names in
Keras' registry, and else any public class or function of Keras, by its module and name. Here, only
the classes of registered task models and Keras' dtype policies are allowed.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it imports Keras, which takes seconds
    from zoo.models.protocol import TaskModel

CARD = "card.json"
TASK, BACKBONE = "task.json", "config.json"
POLICIES = ("DTypePolicy", "DTypePolicyMap", "QuantizedDTypePolicy")
POLICY_MODULES = ("keras", "keras.dtype_policies")
KEYS = {"module", "class_name", "config", "registered_name", "build_config", "compile_config"}
OWN_FILES = ("tokenizer.json", "preprocessor.json")


class PresetError(ValueError):
    """A preset is unknown, damaged or of another format; no model was built."""


def digests(folder: str | os.PathLike[str]) -> dict[str, str]:
    """SHA-256 of each file of a preset except its card, by its path in the folder.

    Raises:
        PresetError: the folder holds a link to a folder, a pipe or a device.
    """
    folder, found = Path(folder), {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != CARD:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif not path.is_file() and (path.is_symlink() or not path.is_dir()):
            raise PresetError(f"{name} in the folder {folder} is not a regular file. Remove it.")
    return found


def verify(folder: str | os.PathLike[str], card: Any) -> None:
    """Compares the files of a folder with those that its card lists.

    Raises:
        PresetError: a file is missing, changed or not listed.
    """
    found = digests(folder)
    for name, expected in card.sha256.items():
        if name not in found:
            raise PresetError(f"Preset {card.preset!r} lacks its file {name}. Reinstall the zoo.")
        if found[name] != expected:
            raise PresetError(
                f"The file {name} of preset {card.preset!r} is damaged: its SHA-256 is "
                f"{found[name]}, the card says {expected}. Reinstall the zoo."
            )
    if unlisted := sorted(found.keys() - card.sha256.keys()):
        raise PresetError(
            f"The card of preset {card.preset!r} doesn't list the file {unlisted[0]}. Remove the "
            "file."
        )


def model_class(folder: str | os.PathLike[str]) -> "type[TaskModel]":
    """The class of a preset's model, after checking all classes that its files name.

    Raises:
        PresetError: a file can't be read, or names something that isn't part of a registered task
            model.
    """
    from zoo.models import protocol

    contents = {path.name: _read(path) for path in sorted(Path(folder).glob("*.json"))}
    contents.pop(CARD, None)
    for name in (TASK, BACKBONE):
        if not isinstance(contents.get(name), dict):
            raise PresetError(f"The folder {folder} has no readable {name}.")
    task = contents[TASK].get("class_name")
    try:
        found = protocol.get(task)
    except (ValueError, TypeError) as error:
        raise PresetError(f"The preset {folder} can't be loaded. {error}") from error
    allowed = _registered_names()
    for name, content in contents.items():
        _check(content, allowed, f"The file {name} of the preset {folder}")
    for name, expected in ((TASK, found), (BACKBONE, found.backbone_cls)):
        built = contents[name].get("registered_name")
        if allowed.get(built) is not expected:
            raise PresetError(
                f"The file {name} of the preset {folder} must be of a {expected.__name__}. "
                f"Received: {str(built)[:100]!r}"
            )
    return found


def _read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PresetError(f"{path} can't be read: {error}") from error


def _registered_names():
    """A dict from the names in Keras' registry to the classes of all registered task models."""
    import keras

    from zoo.models import protocol

    classes = {part for model in protocol.registered().values() for part in model.preset_classes()}
    return {keras.saving.get_registered_name(one): one for one in classes}


def _check(value, allowed, where):
    """Checks every object that a JSON value describes, in the way Keras looks them up."""
    if isinstance(value, list):
        for item in value:
            _check(item, allowed, where)
    if not isinstance(value, dict):
        return
    for item in value.values():
        _check(item, allowed, where)
    if "class_name" in value:
        _check_object(value, allowed, where)
    if value.get("proto") is not None or value.get("config_file", OWN_FILES[0]) not in OWN_FILES:
        raise PresetError(f"{where} names a file outside the preset.")


def _check_object(value, allowed, where):
    import keras

    name, registered = value["class_name"], value.get("registered_name")
    if registered is None:  # then Keras looks for the class itself
        is_ours = value.get("module") in POLICY_MODULES and name in POLICIES
        taken = keras.saving.get_registered_object(name) if isinstance(name, str) else None
        is_ours = is_ours and taken is None
    else:
        is_ours = (
            isinstance(registered, str)
            and registered in allowed
            and keras.saving.get_registered_object(registered) is allowed[registered]
            and name == allowed[registered].__name__
        )
    # Keras compiles the object as an entry of `compile_config` says; KerasHub leaves it empty.
    is_ours = is_ours and value.keys() <= KEYS and not value.get("compile_config")
    if not is_ours or not isinstance(value.get("config"), dict):
        raise PresetError(
            f"{where} names {str(registered or name)[:100]!r} of {str(value.get('module'))[:100]!r}"
            ", which is not part of a model that the zoo knows. Register your own model with "
            "`zoo.models.register` before you load it."
        )
