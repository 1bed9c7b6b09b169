"""Checkpoints: one atomically written file with everything that a killed step needs to resume.

`keras.callbacks.BackupAndRestore` overwrites its file in place, so a kill can truncate it, and
stores neither the weights of the best epoch nor the metrics of earlier epochs.
"""

import json
import os
import zipfile

import keras
import numpy as np

import zoo

VERSIONS = f"keras {keras.__version__} on {keras.backend.backend()}, zoo {zoo.__version__}"


class Checkpoint:
    """A file of arrays and JSON-ready facts.

    Args:
        path: `Path` of the file, without its suffix `.npz`. `save` creates its folder.
    """

    def __init__(self, path):
        self.path = path.with_name(f"{path.name}.npz")

    def load(self):
        """Reads the checkpoint.

        Returns:
            `(arrays, facts)`, a dict of lists of arrays and a dict; or None if there is no file, or
            it is damaged or was saved by another version of Keras or the zoo.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                facts = json.loads(file["facts"].item())
                if facts.pop("_versions") != VERSIONS:
                    return None
                counts = facts.pop("_counts")
                arrays = {
                    name: [file[f"{name}/{index}"] for index in range(count)]
                    for name, count in counts.items()
                }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return arrays, facts

    def save(self, arrays, facts):
        """Writes the checkpoint atomically, replacing an earlier one.

        Args:
            arrays: dict of lists of arrays.
            facts: JSON-ready dict.

        Raises:
            OSError: the file can't be written; an earlier checkpoint is kept.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        about = {"_counts": {name: len(items) for name, items in arrays.items()}}
        about["_versions"] = VERSIONS
        content = {
            f"{name}/{index}": array
            for name, items in arrays.items()
            for index, array in enumerate(items)
        }
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, facts=json.dumps({**facts, **about}), **content)
            file.flush()
            os.fsync(file.fileno())  # otherwise a power cut could leave an empty file
        temporary.replace(self.path)


def read_variables(model):
    """Copies all variables that training changes: weights, seed generators and optimizer.

    Args:
        model: a compiled `keras.Model` whose optimizer is built.

    Returns:
        A list of arrays.
    """
    return [np.array(variable) for variable in _variables(model)]


def write_variables(model, values):
    """Sets the variables of a model to values from `read_variables`.

    Args:
        model: a compiled `keras.Model` whose optimizer is built.
        values: list of arrays, from a model with the same architecture and sizes.

    Raises:
        ValueError: if the number of variables or a shape differs.
    """
    for variable, value in zip(_variables(model), values, strict=True):
        variable.assign(value)


def _variables(model):
    return [*model.variables, *model.optimizer.variables]
