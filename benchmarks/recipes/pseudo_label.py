"""Step `pseudo_label`: what was trained labels the unlabelled examples, and teaches a new model."""

import time
from typing import ClassVar

import pydantic

from benchmarks.recipes.checkpoint import Checkpoint
from benchmarks.recipes.step import Step, train


class PseudoLabel(Step, frozen=True):
    """Self-training: `rounds` times, the model of the steps ahead predicts probabilities for the
    unlabelled examples, and the steps are run anew from all examples (D.-H. Lee, "Pseudo-Label",
    2013; Q. Xie et al., "Self-Training with Noisy Student", 2020)."""

    name: ClassVar[str] = "pseudo_label"
    reads_unlabelled: ClassVar[bool] = True

    rounds: pydantic.PositiveInt = 1

    def check(self, task, model, splits, before):
        if not any(step.trains for step in before):
            raise ValueError("the steps ahead train the teacher: put one such as `fit` there")
        if not splits.unlabelled:
            raise ValueError("it needs examples without labels: name the split `unlabelled`")

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
