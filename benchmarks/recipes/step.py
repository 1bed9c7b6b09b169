"""The interface of a training step, and the state that the steps of a run share."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import keras
import pydantic

from benchmarks.recipes.run_log import RunLog


class Step(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One step of a recipe; its fields are its keys in a suite.

    A step runs the earlier steps itself, with `train`: once, or several times, as an ensemble does.

    Attributes:
        VERSION: int, increased whenever the step computes something else, so that earlier results
            aren't reused.
        name: str, the name of the step in suites.
        trains: bool, whether the step fits a model to the task.
        reads_unlabelled: bool, whether the step reads the split `unlabelled`.
    """

    VERSION: ClassVar[int] = 1
    name: ClassVar[str]
    trains: ClassVar[bool] = False
    reads_unlabelled: ClassVar[bool] = False

    def check(self, task, model, splits, before):
        """Checks that the step fits the task, its model and the earlier steps.

        Args:
            task: the class of the task.
            model: the task's validated `model` keys.
            splits: `benchmarks.config.Splits`.
            before: list of the earlier steps.

        Raises:
            ValueError: if it doesn't.
        """

    def with_epochs(self, epochs):
        """The step with another number of epochs, if it is one of supervised training."""
        return self

    def total_epochs(self, before):
        """Epochs through this step, for the progress bar, given the earlier steps, a tuple."""
        return total_epochs(before)

    def is_ensemble(self, before):
        """Whether the step's result is an ensemble, given whether that of the earlier steps is."""
        return before

    def reuses(self, config, before):
        """The runs whose models this step loads if they are finished, with `Training.find`.

        Args:
            config: the `RunConfig`.
            before: tuple of the earlier steps.

        Returns:
            A list of `RunConfig`.
        """
        return []

    def run(self, training, before):
        """Runs the earlier steps and this one.

        Args:
            training: the `Training`.
            before: tuple of the earlier steps.

        Returns:
            A `Trained`.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Trained:
    """The result of a step.

    Attributes:
        model: the model.
        best: dict of its metrics on the validation split, such as `"val/loss"`, and its `"epoch"`
            if they are from a single epoch; empty if it hasn't been fitted.
        evaluation: the `Evaluation` on the test split of a step that trains one model after
            another; None if the task computes it from the model alone.
    """

    model: Any
    best: dict = dataclasses.field(default_factory=dict)
    evaluation: Any = None


@dataclasses.dataclass(frozen=True)
class Training:
    """The state that the steps of a run share, and the current branch, such as an ensemble member.

    Attributes:
        config: the `RunConfig`.
        task: the `Task`.
        log: the `RunLog`.
        checkpoints: `Path` of the folder for checkpoints of this branch.
        seed: int, the seed of this branch.
        find: function from a `RunConfig` to the `Finished` training with that configuration, or
            None if there is none.
        pseudo_labelled: a pair of raw inputs and a teacher's predictions for them, or None.
        shared: dict of objects that all branches reuse.
    """

    config: Any
    task: Any
    log: RunLog
    checkpoints: Path
    seed: int
    find: Callable = lambda config: None
    pseudo_labelled: Any = None
    shared: dict = dataclasses.field(default_factory=dict)

    def branch(self, name, **changes):
        """A branch with its own checkpoints, and with other fields changed."""
        return dataclasses.replace(self, checkpoints=self.checkpoints / name, **changes)

    def examples(self, split):
        """The `Examples` of a split, the pseudo-labelled ones included if there are any."""
        return self.task.with_pseudo_labelled(split, self.pseudo_labelled)


@dataclasses.dataclass(frozen=True)
class Finished:
    """A training from an earlier run.

    Attributes:
        model: the trained model.
        epochs: list of dicts, the metrics of each epoch.
        seconds: float, its training time without validation.
        examples_per_second: float, its training throughput.
        seconds_to_quality: float, or None if it didn't reach the quality target.
        source: str, describes the run.
    """

    model: Any
    epochs: list
    seconds: float
    examples_per_second: float
    seconds_to_quality: float | None
    source: str


def train(training, steps):
    """Runs the steps of a recipe in order; without steps, builds the untrained model.

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


def reused(config):
    """The runs whose models the recipe of a `RunConfig` loads if they are finished, a list."""
    recipe = config.recipe
    return [one for n, step in enumerate(recipe) for one in step.reuses(config, recipe[:n])]


def makes_ensemble(recipe):
    """Whether the result of a recipe, a list of `Step`, is an ensemble."""
    found = False
    for step in recipe:
        found = step.is_ensemble(found)
    return found


def total_epochs(recipe):
    """The number of epochs of a recipe, a tuple of `Step`, over all its branches."""
    if not recipe:
        return 0
    *before, last = recipe
    return last.total_epochs(tuple(before))
