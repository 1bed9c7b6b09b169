"""Checkpoints: all that a killed step needs to go on, one file each, whole or not there.

`keras.callbacks.BackupAndRestore` overwrites its file in place, which a kill leaves half-written,
and keeps neither the weights of the best epoch nor the record of the epochs.
"""

import json
import os
import zipfile

import numpy as np


class Checkpoint:
    """A file of arrays and JSON-ready facts.

    Args:
        path: `Path` of the file; its folder is made when something is saved.
    """

    def __init__(self, path):
        self.path = path.with_suffix(".npz")

    def load(self):
        """What was saved last.

        Returns:
            `(arrays, facts)`, a dict of lists of arrays and a dict; or None where nothing was saved
            or the file is damaged.
        """
        try:
            with np.load(self.path, allow_pickle=False) as file:
                facts = json.loads(file["facts"].item())
                counts = facts.pop("_counts")
                arrays = {
                    name: [file[f"{name}/{index}"] for index in range(count)]
                    for name, count in counts.items()
                }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return arrays, facts

    def save(self, arrays, facts):
        """Replaces what was saved.

        Args:
            arrays: dict of lists of arrays.
            facts: dict that JSON can hold.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        counts = {name: len(items) for name, items in arrays.items()}
        content = {
            f"{name}/{index}": array
            for name, items in arrays.items()
            for index, array in enumerate(items)
        }
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as file:
            np.savez(file, facts=json.dumps({**facts, "_counts": counts}), **content)
            file.flush()
            os.fsync(file.fileno())  # or a power cut could leave the name without its content
        temporary.replace(self.path)


def read_variables(model):
    """The values of all variables that training changes: weights, the state of random generators
    and that of the optimizer, which must be built."""
    return [np.array(variable) for variable in _variables(model)]


def write_variables(model, values):
    """Sets what `read_variables` read from a model of the same shape.

    Raises:
        ValueError: if the model has other variables.
    """
    for variable, value in zip(_variables(model), values, strict=True):
        variable.assign(value)


def _variables(model):
    return [*model.variables, *model.optimizer.variables]
