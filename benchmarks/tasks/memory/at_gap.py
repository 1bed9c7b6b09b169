"""A memory problem at one gap: an ordinary task, whose training sequences are always new."""

import math
import time

import numpy as np

from benchmarks.metrics import ACCURACY
from benchmarks.tasks.batches import Batches
from benchmarks.tasks.task import Baseline, Evaluation, Examples, Task
from zoo import models

BASELINE_EXAMPLES = 2560
BASELINE_SEED = 3  # validation and test are drawn with 1 and 2


class AtGap(Task):
    """A memory problem at one gap.

    Args:
        problem: the `Problem`.
        gap: int.
        sequences: int, training sequences per epoch. They are newly drawn in each epoch.
        read, data: see `Task`.
    """

    metric = ACCURACY
    validation_metric = ACCURACY

    def __init__(self, problem, gap, sequences, read, data):
        super().__init__(lambda split: read(split, gap), problem.features, data)
        self.problem = problem
        self.gap = gap
        self.sequences = sequences
        self.feature = problem.feature
        self.target_feature = problem.target_feature

    def read_examples(self, split):
        if split == "train":
            return Examples(range(self.sequences), None)  # `batches` draws them
        return self._examples(self.read(split))

    def build(self, config):
        backbone = models.MemoryBackbone(
            config.architecture,
            feature_dim=self.problem.feature_dim or len(self.problem.alphabet),
            units=config.model.units,
            num_layers=config.model.num_layers,
            timescale=self.problem.timescale(self.gap),
        )
        return self.problem.model(backbone, self.problem.preprocessor())

    def batches(self, model, examples, config, batch_size=32):
        preprocessor = model.preprocessor

        def drawn(chosen, generator):
            # A separate stream, so that no seed and epoch repeats the draws of another split.
            generator = (generator or np.random.default_rng(0)).spawn(1)[0]
            batch = self._examples(self.problem.draw(generator, len(chosen), self.gap))
            return preprocessor(batch.inputs), batch.targets

        def stored(chosen, generator):
            return preprocessor([examples.inputs[i] for i in chosen]), examples.targets[chosen]

        columns = drawn if examples.targets is None else stored
        return Batches(examples, columns, np.full(len(examples), self.gap), batch_size)

    def evaluate(self, model, config):
        value = self.accuracy(model, "test")
        signature = f"correct {self.problem.correct} of fresh test sequences"
        return Evaluation(value, None, signature)

    def accuracy(self, model, split):
        """The fraction of a model's answers on a split that are correct, a float.

        Args:
            model: a task model, or a `Fitted` baseline.
            split: str.
        """
        examples = self.examples(split)
        outputs = model.predict(examples.inputs, batch_size=128)
        return float(self.problem.is_correct(outputs, examples.targets).mean())

    def is_solved(self, accuracy):
        """Whether an accuracy solves this gap."""
        return accuracy >= self.problem.solved

    def is_clearly_solved(self, accuracy):
        """Whether an accuracy on validation exceeds this gap's threshold by two standard errors.

        An accuracy that has just crossed the threshold is biased upwards: on the test split it
        would often fall short. The standard error is that of one answer per sequence, which is too
        large, and so on the safe side, for several.
        """
        solved = self.problem.solved
        error = math.sqrt(solved * (1 - solved) / len(self.examples("validation")))
        return accuracy >= solved + 2 * error

    def baseline(self):
        """A model that ignores the order of the steps, at this gap."""
        start = time.perf_counter()
        fitted = self.fit_baseline(self.problem.order_blind)
        seconds = time.perf_counter() - start
        return Baseline(fitted.name, seconds, fitted.parameters, self.evaluate(fitted, None))

    def fit_baseline(self, fit):
        """Fits a baseline to freshly drawn sequences.

        Args:
            fit: a method of the problem such as `order_blind`, or a function like it.

        Returns:
            A `Fitted`.
        """
        generator = np.random.default_rng([BASELINE_SEED, self.gap])
        train = self._examples(self.problem.draw(generator, BASELINE_EXAMPLES, self.gap))
        return fit(train, self.examples("validation"))

    def _examples(self, data):
        targets = self.problem.targets(data[self.target_feature])
        return Examples(list(data[self.feature]), targets)
