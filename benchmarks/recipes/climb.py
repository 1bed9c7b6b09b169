"""Step `climb`: trains at one gap after another, as long as the last one was solved."""

from typing import ClassVar

import pydantic

from benchmarks.recipes.fit import Fit
from benchmarks.recipes.step import Trained


class Climb(Fit, frozen=True):
    """Trains a new model at each gap, as `fit` does, until the gap is solved or given up.

    A gap is solved when the accuracy on its validation split reaches that of the problem, and the
    next gap is tried only then. Training ends early when the accuracy exceeds it by two standard
    errors. The model of the longest solved gap is kept; if none is solved, that of the first gap.

    Attributes:
        gaps: increasing ints.
        sequences: training sequences per epoch, so `epochs * sequences` is the budget of a gap.
        seconds: training time after which a gap is given up, the budget of slow architectures.
    """

    name: ClassVar[str] = "climb"

    gaps: tuple[pydantic.PositiveInt, ...] = pydantic.Field(min_length=1)
    sequences: pydantic.PositiveInt
    seconds: pydantic.PositiveFloat
    monitor: str = "accuracy"

    def check(self, task, model, splits, before):
        if self.monitor != "accuracy":
            raise ValueError(f"`monitor` must be accuracy. Received: {self.monitor!r}")
        for name in ("validation", "test"):
            if "GAP" not in getattr(splits, name):
                raise ValueError(f"the split {name} must contain the word GAP")
        if list(self.gaps) != sorted(set(self.gaps)):
            raise ValueError(f"`gaps` must increase. Received: {', '.join(map(str, self.gaps))}")
        if before:
            raise ValueError("it trains a new model at each gap, so no step can come before it")

    def total_epochs(self, before):
        return self.epochs * len(self.gaps)

    def is_over(self, task, records):
        return (
            super().is_over(task, records)
            or sum(record["seconds"] for record in records) >= self.seconds
            or any(task.is_clearly_solved(record["metrics"]["val/accuracy"]) for record in records)
        )

    def run(self, training, before):
        attempts, kept, longest = [], None, 0
        for gap in self.gaps:
            task = training.task.at(gap, self.sequences)
            log = _GapLog(training.log, task, longest)
            trained = super().run(training.branch(f"gap_{gap}", task=task, log=log), before)
            is_solved = task.is_solved(trained.best["val/accuracy"])
            out_of_time = not is_solved and log.epochs < self.epochs
            sequences = log.epochs * self.sequences
            attempts.append(
                training.task.attempt(task, trained.model, sequences, log.seconds, out_of_time)
            )
            if is_solved or kept is None:
                kept = trained
            if not is_solved:
                break
            longest = gap
        evaluation = training.task.summary(attempts)
        evaluation = training.task.with_gradients(evaluation, kept.model, training.config)
        return Trained(kept.model, {**kept.best, "val/longest_gap": float(longest)}, evaluation)


class _GapLog:
    """The part of a `RunLog` that belongs to one gap.

    Args:
        log: the `RunLog`.
        task: the `AtGap`.
        longest: int, the longest gap solved so far.

    Attributes:
        epochs: int, the number of epochs at this gap.
        seconds: float, their training time.
    """

    def __init__(self, log, task, longest):
        self.log = log
        self.task = task
        self.longest = longest
        self.epochs = 0
        self.seconds = 0.0

    @property
    def epoch(self):
        return self.log.epoch

    def progress(self, part):
        self.log.progress(part)

    def add_epoch(self, metrics, seconds, examples_per_second):
        self.epochs += 1
        self.seconds += seconds
        if self.task.is_solved(metrics["val/accuracy"]):
            self.longest = self.task.gap
        metrics = {**metrics, "val/longest_gap": float(self.longest)}
        self.log.add_epoch(metrics, seconds, examples_per_second)
