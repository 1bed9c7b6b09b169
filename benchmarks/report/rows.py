"""Rows of results: what they have in common, and how they are grouped and replaced."""

import pydantic

from benchmarks.config import experiment_name


class ExperimentRow(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A result of one architecture of one experiment."""

    task: str
    dataset: str
    entry: str
    architecture: str

    @property
    def experiment(self):
        """The name of the experiment."""
        return experiment_name(self.task, self.dataset, self.entry)


def by_experiment(rows):
    """Groups rows by experiment: a dict from its name to a list, in order of appearance."""
    experiments = {}
    for row in rows:
        experiments.setdefault(row.experiment, []).append(row)
    return experiments


def kept_rows(old, new, seeds):
    """The new rows, plus the old ones of other architectures in the same experiments.

    Args:
        old, new: lists of rows with an `experiment` and an `architecture`.
        seeds: function from the rows of one architecture to their number of seeds. Rows of fewer
            seeds don't replace those of more.

    Returns:
        A list of rows.
    """
    before, after = (_by_architecture(rows) for rows in (old, new))
    experiments = {experiment for experiment, _ in after}
    for key, rows in before.items():
        if key[0] in experiments and (key not in after or seeds(after[key]) < seeds(rows)):
            after[key] = rows
    return [row for rows in after.values() for row in rows]


def _by_architecture(rows):
    found = {}
    for row in rows:
        found.setdefault((row.experiment, row.architecture), []).append(row)
    return found
