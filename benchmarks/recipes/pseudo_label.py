"""Step `pseudo_label`: a teacher labels the unlabelled examples to train a student."""

import time
from typing import ClassVar

import pydantic

from benchmarks.recipes.checkpoint import Checkpoint
from benchmarks.recipes.ensemble import Ensemble
from benchmarks.recipes.step import Step, total_epochs, train


class PseudoLabel(Step, frozen=True):
    """Self-training with soft pseudo-labels.

    The earlier steps train a teacher, which predicts probabilities for the unlabelled examples.
    Then they run again from scratch on all examples to train a student, which is the next round's
    teacher (D.-H. Lee, "Pseudo-Label", 2013; Q. Xie et al., "Self-Training with Noisy Student",
    2020).

    Attributes:
        rounds: number of students.
        single: whether a student is one model where the teacher is an ensemble.
    """

    name: ClassVar[str] = "pseudo_label"
    reads_unlabelled: ClassVar[bool] = True

    rounds: pydantic.PositiveInt = 1
    single: bool = False

    def check(self, task, model, splits, before):
        if not any(step.trains for step in before):
            raise ValueError("the earlier steps train the teacher: add one such as `fit` before it")
        if not splits.unlabelled:
            raise ValueError("it needs examples without labels: add `unlabelled` to `splits`")
        if self.single and not any(step.name == Ensemble.name for step in before):
            raise ValueError("`single` needs a teacher of several models: add `ensemble` before it")

    def total_epochs(self, before):
        return total_epochs(before) + self.rounds * total_epochs(self._of_students(before))

    def run(self, training, before):
        trained = train(training.branch("teacher"), before)
        steps = self._of_students(before)
        for number in range(self.rounds):
            labels = self._labels(training, trained.model, number)
            trained = train(training.branch(f"student_{number}", pseudo_labels=labels), steps)
        return trained

    def _of_students(self, before):
        """The steps that train a student, of those that train the teacher."""
        return tuple(step for step in before if not (self.single and step.name == Ensemble.name))

    def _labels(self, training, teacher, number):
        checkpoint = Checkpoint(training.checkpoints / f"pseudo_labels_{number}")
        saved = checkpoint.load()
        if saved is None:
            start = time.perf_counter()
            labels = teacher.predict(training.task.unlabelled())
            seconds = time.perf_counter() - start
            checkpoint.save({"labels": [labels]}, {"seconds": seconds})
        else:
            labels, seconds = saved[0]["labels"][0], saved[1]["seconds"]
        training.log.spend(f"pseudo_labels_{number}", seconds)
        return labels
