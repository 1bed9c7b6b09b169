"""Step `pseudo_label`: a teacher labels the unlabelled examples to train a student."""

import re
import time
from typing import ClassVar

import numpy as np
import pydantic

from benchmarks.recipes.checkpoint import Checkpoint
from benchmarks.recipes.ensemble import Ensemble
from benchmarks.recipes.step import Step, makes_ensemble, total_epochs, train

LEAST_WORDS = 4  # of a sentence


class PseudoLabel(Step, frozen=True):
    """Self-training with soft pseudo-labels.

    The earlier steps train a teacher, which predicts probabilities for the unlabelled examples.
    Then they run again from scratch on all examples to train a student, which is the next round's
    teacher (D.-H. Lee, "Pseudo-Label", 2013; Q. Xie et al., "Self-Training with Noisy Student",
    2020).

    Attributes:
        rounds: number of students.
        sentences: number of sentences of each unlabelled text that are labelled too, so that a
            student also learns from short texts.
        single: whether a student is one model where the teacher is an ensemble.
    """

    name: ClassVar[str] = "pseudo_label"
    reads_unlabelled: ClassVar[bool] = True

    rounds: pydantic.PositiveInt = 1
    sentences: pydantic.NonNegativeInt = 0
    single: bool = False

    def check(self, task, model, splits, before):
        if not any(step.trains for step in before):
            raise ValueError("the earlier steps train the teacher: add one such as `fit` before it")
        if not splits.unlabelled:
            raise ValueError("it needs examples without labels: add `unlabelled` to `splits`")
        if self.single and not makes_ensemble(before):
            raise ValueError("`single` needs a teacher of several models: add `ensemble` before it")
        if self.sentences and "sentences" not in task.supports:
            raise ValueError("`sentences` need a task that classifies texts")

    def total_epochs(self, before):
        return total_epochs(before) + self.rounds * total_epochs(self._of_students(before))

    def is_ensemble(self, before):
        return before and not self.single

    def run(self, training, before):
        trained = train(training.branch("teacher"), before)
        inputs = training.task.unlabelled()
        if self.sentences:
            inputs = [*inputs, *sentences_of(inputs, self.sentences, training.seed)]
        steps = self._of_students(before)
        for number in range(self.rounds):
            labels = self._labels(training, trained.model, inputs, number)
            student = training.branch(f"student_{number}", pseudo_labelled=(inputs, labels))
            trained = train(student, steps)
        return trained

    def _of_students(self, before):
        """The steps that train a student, derived from those that train the teacher."""
        return tuple(step for step in before if not (self.single and step.name == Ensemble.name))

    def _labels(self, training, teacher, inputs, number):
        checkpoint = Checkpoint(training.checkpoints / f"pseudo_labels_{number}")
        saved = checkpoint.load()
        if saved is None:
            start = time.perf_counter()
            labels = teacher.predict(inputs)
            seconds = time.perf_counter() - start
            checkpoint.save({"labels": [labels]}, {"seconds": seconds})
        else:
            labels, seconds = saved[0]["labels"][0], saved[1]["seconds"]
        training.log.spend(f"pseudo_labels_{number}", seconds)
        return labels


def sentences_of(texts, count, seed):
    """Draws up to `count` different sentences of each text, with at least `LEAST_WORDS` words.

    Args:
        texts: list of str.
        count, seed: int.

    Returns:
        A list of str.
    """
    generator = np.random.default_rng(seed)
    drawn = []
    for text in texts:
        parts = re.split(r"(?<=[.!?])\s+|<br\s*/?>|\n", text)
        sentences = sorted({part.strip() for part in parts if len(part.split()) >= LEAST_WORDS})
        chosen = generator.permutation(len(sentences))[:count]
        drawn += [sentences[index] for index in chosen]
    return drawn
