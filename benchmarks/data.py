"""The data of a run: a task on its prepared dataset, with the splits that the suite names."""

import functools
import re

from benchmarks.config import ConfigError
from benchmarks.tasks import TASKS
from zoo import datasets


@functools.cache
def load_task(name, dataset, splits, features=()):
    """The task on its prepared data, and the SHA-256 of the data.

    Args:
        name: str, a name of `TASKS`.
        dataset: str, as `datasets.builder` takes it.
        splits: `benchmarks.config.Splits`.
        features: pairs of the task's name of a feature, and the dataset's.

    Raises:
        ConfigError: where the dataset lacks a feature; it names those there are.
    """
    builder = datasets.builder(dataset)
    ours = {theirs: ours for ours, theirs in features}
    known = {ours.get(name, name): feature for name, feature in builder.info.features.items()}
    for theirs in [*ours, *filter(None, [splits.feature])]:
        if theirs not in builder.info.features:
            raise ConfigError(
                f"{dataset} has no feature {theirs!r}. Its features: "
                f"{', '.join(builder.info.features)}."
            )

    @functools.cache
    def read(split):
        wanted = getattr(splits, split)
        if wanted is None:
            return None
        data = datasets.read(builder, "train" if splits.feature else wanted)
        if splits.feature:
            texts = data[splits.feature]
            rows = [row for row, text in enumerate(texts) if re.search(wanted, text)]
            data = {name: [column[row] for row in rows] for name, column in data.items()}
        return {ours.get(name, name): column for name, column in data.items()}

    licence = builder.info.redistribution_info.license or "not stated"
    task = TASKS[name](read, known, licence)
    if task.feature not in known:
        raise ConfigError(
            f"{dataset} has no feature {task.feature!r}, which {name} needs. Its features: "
            f"{', '.join(builder.info.features)}. Map one to it by `features` in the suite."
        )
    return task, datasets.digest(builder)


def task_of(config):
    """The task of a `RunConfig` on its data, and the SHA-256 of the data."""
    return load_task(config.task, config.dataset, config.splits, config.features)
