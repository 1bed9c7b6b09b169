"""The data of a run: a task with its prepared dataset, split as the suite says."""

import functools
import re

from benchmarks.config import SPLITS, ConfigError
from benchmarks.tasks import TASKS
from benchmarks.tasks.task import Data
from zoo import datasets


@functools.cache
def load_task(name, dataset, splits, features=()):
    """Prepares a dataset for a task.

    Args:
        name: str, a key of `TASKS`.
        dataset: str, as `datasets.builder` takes it.
        splits: `benchmarks.config.Splits`.
        features: tuple of pairs: the task's name of a feature, and the dataset's.

    Returns:
        `(task, digest)`: the `Task`, and the SHA-256 of the whole dataset.

    Raises:
        ConfigError: if the dataset lacks a feature. The message lists its features.
    """
    builder = datasets.builder(dataset)
    ours = {theirs: ours for ours, theirs in features}
    known = {ours.get(theirs, theirs): kind for theirs, kind in builder.info.features.items()}
    for theirs in [*ours, *filter(None, [splits.feature])]:
        if theirs not in builder.info.features:
            raise ConfigError(
                f"{dataset} has no feature {theirs!r}. Its features: "
                f"{', '.join(builder.info.features)}."
            )

    @functools.cache
    def read(split, gap=None):
        wanted = getattr(splits, split)
        if wanted is None:
            return None
        if gap is not None:
            wanted = wanted.replace("GAP", str(gap))
        data = datasets.read(builder, "train" if splits.feature else wanted)
        if splits.feature:
            texts = data[splits.feature]
            rows = [row for row, text in enumerate(texts) if re.search(wanted, text)]
            data = {theirs: [column[row] for row in rows] for theirs, column in data.items()}
        if not any(data.values()):
            raise ConfigError(f"{dataset}: the split {split}, {wanted!r}, has no examples.")
        return {ours.get(theirs, theirs): column for theirs, column in data.items()}

    task = TASKS[name](read, known, _data(builder.info, splits))
    for feature in filter(None, (task.feature, task.target_feature)):
        if feature not in known:
            raise ConfigError(
                f"{dataset} has no feature {feature!r}, which {name} needs. Its features: "
                f"{', '.join(builder.info.features)}. Map one to it with `features` in the suite."
            )
    return task, datasets.digest(builder)


def _data(info, splits):
    """The `Data` of a dataset, from its TFDS information and the `Splits`."""
    paragraphs = [text.strip() for text in (info.description or "").split("\n\n")]
    counts = {}
    for split in SPLITS:
        wanted = getattr(splits, split)
        if wanted is not None:
            is_known = not splits.feature and re.split(r"[\[+]", wanted)[0] in info.splits
            counts[split] = info.splits[wanted].num_examples if is_known else None
    return Data(
        licence=info.redistribution_info.license or "not stated",
        description=next((text for text in paragraphs if text and text[0] != "#"), ""),
        counts=counts,
    )


def task_of(config):
    """The `Task` of a `RunConfig` and the SHA-256 of its dataset; see `load_task`."""
    return load_task(config.task, config.dataset, config.splits, config.features)
