"""The benchmark module of a new task kind, with a metric of which less is better."""

import numpy as np
import pydantic

from benchmarks import metrics
from benchmarks.tasks.batches import Batches
from benchmarks.tasks.task import Baseline, Evaluation, Examples, ModelConfig, Task

SQUARED_ERROR = metrics.register(
    metrics.Metric("squared_error", False, ".4f", 0.01, metrics.bootstrap)
)


class Summing(Task):
    """Numbers and their sum; the metric is the mean squared error."""

    metric = SQUARED_ERROR
    validation_metric = SQUARED_ERROR
    feature = "numbers"
    target_feature = "sum"

    class Model(ModelConfig, frozen=True):
        units: pydantic.PositiveInt

    def read_examples(self, split):
        data = self.read(split)
        return Examples(data["numbers"], np.array(data["sum"], "float32"))

    def build(self, config):
        from new_kind import model

        backbone = model.NumbersBackbone(config.architecture, config.model.units)
        return model.SummingModel(backbone, model.NumbersPreprocessor())

    def batches(self, model, examples, config, batch_size=32):
        preprocessor = model.preprocessor

        def columns(chosen, generator):
            inputs = [examples.inputs[index] for index in chosen]
            return preprocessor(inputs), examples.targets[chosen]

        return Batches(examples, columns, [len(row) for row in examples.inputs], batch_size)

    def evaluate(self, model, config):
        predicted = [answer["sum"] for answer in model.answers(self.examples("test").inputs)]
        return self._evaluation(np.array(predicted))

    def baseline(self):
        mean = self.examples("train").targets.mean()
        return Baseline("the mean", 0.0, 1, self._evaluation(mean))

    def _evaluation(self, predicted):
        errors = (predicted - self.examples("test").targets) ** 2
        return Evaluation(
            float(errors.mean()), SQUARED_ERROR.interval(errors), "mean squared error"
        )
