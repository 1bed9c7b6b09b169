"""Memory: the longest gap over which an architecture learns to remember."""

import dataclasses
import time

import keras
import pydantic

from benchmarks import plots
from benchmarks.metrics import LONGEST_GAP
from benchmarks.tasks.memory import at_gap, gradients
from benchmarks.tasks.memory.adding import Adding
from benchmarks.tasks.memory.at_gap import AtGap
from benchmarks.tasks.memory.attempt import Attempt
from benchmarks.tasks.memory.copying import Copying
from benchmarks.tasks.memory.temporal_order import TemporalOrder
from benchmarks.tasks.task import Baseline, Evaluation, ModelConfig, Task
from zoo.datasets.errors import DatasetError
from zoo.datasets.gap_builder import GAPS

PROBLEMS = (Adding, TemporalOrder, Copying)


class Memory(Task):
    """Measures the longest gap that an architecture solves, on a problem with growing gaps.

    The features of the dataset identify the problem: `sum` is adding, `label` temporal order,
    `copied` copying.
    """

    metric = LONGEST_GAP
    validation_metric = LONGEST_GAP
    supports = ("climb",)
    baselines = ("baseline", "baseline_constant", "baseline_hmm")
    one_direction = True

    class Model(ModelConfig, frozen=True):
        units: pydantic.PositiveInt
        num_layers: pydantic.PositiveInt

    def __init__(self, read, features, data):
        super().__init__(read, features, data)
        found = [problem for problem in PROBLEMS if problem.target_feature in features]
        if not found:
            known = ", ".join(problem.target_feature for problem in PROBLEMS)
            raise DatasetError(
                f"memory needs a dataset with one of the features {known}. Received: "
                f"{', '.join(features)}"
            )
        self.problem = found[0](features)
        self.feature = self.problem.feature
        self.target_feature = self.problem.target_feature

    def attempt(self, task, model, sequences, seconds, out_of_time):
        """Evaluates a model at one gap; returns an `Attempt`.

        Args:
            task: `AtGap`.
            model: the trained model.
            sequences, seconds, out_of_time: see `Attempt`.
        """
        accuracy = task.accuracy(model, "test")
        return Attempt(task.gap, accuracy, sequences, seconds, out_of_time)

    def at(self, gap, sequences=1):
        """The task at one gap, an `AtGap` with that many training sequences per epoch."""
        return AtGap(self.problem, gap, sequences, self.read, self.data)

    def read_examples(self, split):
        return self.at(GAPS[0]).examples(split)

    def build(self, config):
        return self.at(GAPS[0]).build(config)

    def batches(self, model, examples, config, batch_size=32):
        return self.at(GAPS[0]).batches(model, examples, config, batch_size)

    def example(self):
        return self.examples("validation").inputs[0]

    def plotted_input(self):
        return self.examples("test").inputs[0]

    def evaluate(self, model, config):
        """Evaluates a model at the gap that it was trained for."""
        timescale = model.backbone.timescale
        gap = next(gap for gap in GAPS if self.problem.timescale(gap) == timescale)
        return self.summary([Attempt(gap, self.at(gap).accuracy(model, "test"), 0, 0.0)])

    def summary(self, attempts):
        """The `Evaluation` of attempts at growing gaps, a list of `Attempt`."""
        solved = {one.gap: one.accuracy >= self.problem.solved for one in attempts}
        accuracies = {one.gap: one.accuracy for one in attempts}
        return Evaluation(
            value=float(max((gap for gap in solved if solved[gap]), default=0)),
            interval=None,
            signature=(
                f"longest gap with {self.problem.solved:.1%} correct {self.problem.correct}, "
                "of fresh test sequences"
            ),
            figures={"gap_curve": plots.gap_curve(accuracies, self.problem.solved)},
            curves={
                "gap/accuracy": accuracies,
                "gap/solved": {gap: float(is_solved) for gap, is_solved in solved.items()},
                "gap/sequences": {one.gap: one.sequences for one in attempts},
                "gap/seconds": {one.gap: one.seconds for one in attempts},
                "gap/out_of_time": {one.gap: float(one.out_of_time) for one in attempts},
            },
        )

    def with_gradients(self, evaluation, model, config):
        """The evaluation with gradients by lag: of the trained model, and of an untrained one that
        is given the gap of the sequences."""
        keras.utils.set_random_seed(config.seed)
        task = self.at(gradients.GAP)
        curves = {
            "lag/gradient": gradients.by_lag(model, task),
            "lag/gradient_untrained": gradients.by_lag(task.build(config), task),
        }
        figure = plots.gradient_by_lag(
            {"trained": curves["lag/gradient"], "untrained": curves["lag/gradient_untrained"]}
        )
        return dataclasses.replace(
            evaluation,
            curves={**evaluation.curves, **curves},
            figures={**evaluation.figures, "gradient_by_lag": figure},
        )

    def baseline(self):
        """A model that ignores the order of the steps."""
        return self._climb(self.problem.order_blind)

    def baseline_constant(self):
        """The best constant answer."""
        return self._climb(lambda train, validation: self.problem.constant(train))

    def baseline_hmm(self):
        """Hidden Markov models.

        Raises:
            DatasetError: the problem has no classes.
        """
        return self._climb(self.problem.hidden_markov)

    def _climb(self, fit):
        """The `Baseline` of a function like `Problem.order_blind`, fitted at growing gaps."""
        attempts, kept = [], None
        for gap in GAPS:
            task = self.at(gap)
            start = time.perf_counter()
            fitted = task.fit_baseline(fit)
            seconds = time.perf_counter() - start
            accuracy = task.accuracy(fitted, "test")
            attempts.append(Attempt(gap, accuracy, at_gap.BASELINE_EXAMPLES, seconds))
            is_solved = task.is_solved(task.accuracy(fitted, "validation"))
            if is_solved or kept is None:
                kept = fitted
            if not is_solved:
                break
        total = sum(one.seconds for one in attempts)
        return Baseline(kept.name, total, kept.parameters, self.summary(attempts))
