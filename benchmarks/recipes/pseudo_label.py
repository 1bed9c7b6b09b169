"""Step `pseudo_label`: a teacher labels the unlabelled examples to train a student."""

import time
from typing import ClassVar

import pydantic

from benchmarks.recipes.checkpoint import Checkpoint
from benchmarks.recipes.step import Step, train


class PseudoLabel(Step, frozen=True):
    """Self-training with soft pseudo-labels.

    The earlier steps train a teacher, which predicts probabilities for the unlabelled examples.
    Then they run again from scratch on all examples to train a student, which is the next round's
    teacher (D.-H. Lee, "Pseudo-Label", 2013; Q. Xie et al., "Self-Training with Noisy Student",
    2020).

    Attributes:
        rounds: number of students.
    """

    name: ClassVar[str] = "pseudo_label"
    reads_unlabelled: ClassVar[bool] = True

    rounds: pydantic.PositiveInt = 1

    def check(self, task, model, splits, before):
        if not any(step.trains for step in before):
            raise ValueError("the earlier steps train the teacher: add one such as `fit` before it")
        if not splits.unlabelled:
            raise ValueError("it needs examples without labels: add `unlabelled` to `splits`")

    def total_epochs(self, before):
        return before * (1 + self.rounds)

    def run(self, training, before):
        trained = train(training.branch("teacher"), before)
        for number in range(self.rounds):
            labels = self._labels(training, trained.model, number)
            trained = train(training.branch(f"student_{number}", pseudo_labels=labels), before)
        return trained

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
