"""The shape of a step of training, and what the steps of one run share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import keras
import pydantic

from benchmarks.recipes.run_log import RunLog


class Step(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One step of a recipe: its keys in a suite, and what it does.

    A step is handed the steps ahead of it and runs them by `train`, once or, as an ensemble does,
    several times.

    Attributes:
        VERSION: int, raised with every change to what the step computes: results of another
            version aren't taken for this one's.
        name: what the step is called in suites.
        trains: whether the step fits a model to the task.
        reads_unlabelled: whether the step reads the split `unlabelled`.
    """

    VERSION: ClassVar[int] = 1
    name: ClassVar[str]
    trains: ClassVar[bool] = False
    reads_unlabelled: ClassVar[bool] = False

    def check(self, task, model, splits, before):
        """Raises ValueError where the step doesn't fit the task, its model or the steps ahead.

        Args:
            task: the class of the task.
            model: the task's validated `model` keys.
            splits: `benchmarks.config.Splits`.
            before: list of the steps ahead.
        """

    def with_epochs(self, epochs):
        """The step with another number of epochs, where it has epochs of supervised training."""
        return self

    def total_epochs(self, before):
        """Epochs of the recipe up to this step, for the progress bar, from those before it."""
        return before

    def run(self, training, before):
        """Runs the steps ahead and this one.

        Args:
            training: the `Training`.
            before: tuple of the steps ahead.

        Returns:
            A `Trained`.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Trained:
    """What steps pass on.

    Attributes:
        model: the model, with the weights to use.
        best: dict of its metrics on the validation split, such as `"val/loss"`, and `"epoch"`
            where these are of one epoch; empty before it was fitted.
    """

    model: Any
    best: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Training:
    """What the steps of one run share, and the branch of it that they are on.

    Attributes:
        config: the `RunConfig`.
        task: the `Task`.
        log: the `RunLog`.
        checkpoints: `Path` of the folder for checkpoints of this branch.
        seed: int, of this branch.
        find: function from a `RunConfig` to the `Finished` training of the same configuration, or
            None where there is none.
        pseudo_labels: what a teacher predicted for the unlabelled inputs, or None.
        shared: dict for what the branches have in common.
    """

    config: Any
    task: Any
    log: RunLog
    checkpoints: Path
    seed: int
    find: Callable = lambda config: None
    pseudo_labels: Any = None
    shared: dict = dataclasses.field(default_factory=dict)

    def branch(self, name, **changes):
        """A part of the training that is trained apart, with checkpoints of its own."""
        return dataclasses.replace(self, checkpoints=self.checkpoints / name, **changes)

    def examples(self, split):
        """The `Examples` of a split, with pseudo-labels where there are some."""
        return self.task.with_pseudo_labels(split, self.pseudo_labels)


@dataclasses.dataclass(frozen=True)
class Finished:
    """A training that was finished before.

    Attributes:
        model: the trained model.
        epochs: list of the metrics of each epoch, a dict each.
        seconds, examples_per_second: how long it took, and how fast it was.
        seconds_to_quality: float or None.
        source: str, where it is from.
    """

    model: Any
    epochs: list
    seconds: float
    examples_per_second: float
    seconds_to_quality: float | None
    source: str


def train(training, steps):
    """Runs steps of a recipe in their order; without any, builds the untrained model.

    Args:
        training: the `Training`.
        steps: tuple of `Step`.

    Returns:
        A `Trained`.
    """
    if steps:
        *before, last = steps
        return last.run(training, tuple(before))
    keras.utils.set_random_seed(training.seed)
    return Trained(training.task.build(training.config))


def total_epochs(recipe):
    """Epochs of a whole recipe."""
    total = 0
    for step in recipe:
        total = step.total_epochs(total)
    return total
