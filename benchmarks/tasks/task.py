"""The shape of a task: what a run asks of a task kind on one dataset."""

import abc
import dataclasses
import functools
from typing import Any, ClassVar

import pydantic

from benchmarks.metrics import Metric


class ModelConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """The `model` keys of a task in a suite; each task adds its own."""

    @property
    def reads_unlabelled(self):
        """Whether these keys ask for the split `unlabelled`."""
        return False


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Raw inputs and their targets.

    Attributes:
        inputs: list of raw inputs.
        targets: what a model is to give for each, in the task's own form.
    """

    inputs: list
    targets: Any

    def __len__(self):
        return len(self.inputs)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one look at the test split gives.

    Attributes:
        value: the task's metric.
        interval: its 95 % confidence interval, `(low, high)`.
        signature: how the metric was computed, in its library's own words.
        details: further metrics by name.
        figures: matplotlib figures by name.
        texts: text artifacts by file name.
    """

    value: float
    interval: tuple[float, float]
    signature: str
    details: dict = dataclasses.field(default_factory=dict)
    figures: dict = dataclasses.field(default_factory=dict)
    texts: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A task's reference that ignores order, copies or doesn't learn.

    Attributes:
        name: what it is, in a few words.
        seconds: time to fit it.
        parameters: how many numbers it learned or stores.
        evaluation: its `Evaluation`.
    """

    name: str
    seconds: float
    parameters: int
    evaluation: Evaluation


class Task(abc.ABC):
    """A task kind on one dataset.

    Attributes:
        metric: the `Metric` on the test split.
        validation_metric: the `Metric` that training computes after each epoch, by which seeds and
            champions are chosen; what is called `val/<name>` in MLflow.
        feature: the name of the raw input among the dataset's features.
        steps: names of the steps that its models can be trained by.
        has_ngrams: whether an ensemble may have the auxiliary model of n-grams.
        Model: the `ModelConfig` of its `model` keys.

    Args:
        read: callable from a split's name to a dict of lists, one a feature, or None for a split
            that the suite doesn't name.
        features: dict of the dataset's TFDS features by name.
        licence: str, the dataset's.
    """

    metric: ClassVar[Metric]
    validation_metric: ClassVar[Metric]
    feature: str
    steps: ClassVar[tuple] = ("fit", "ensemble")
    has_ngrams: ClassVar[bool] = False
    Model: ClassVar[type[ModelConfig]]

    def __init__(self, read, features, licence):
        self.read = read
        self.features = features
        self.licence = licence
        self.examples = functools.cache(self.read_examples)

    @abc.abstractmethod
    def read_examples(self, split):
        """The `Examples` of a split; `examples` keeps them."""

    @abc.abstractmethod
    def build(self, config):
        """An untrained model with its preprocessor, of a `RunConfig`."""

    @abc.abstractmethod
    def batches(self, model, examples, config, batch_size=32):
        """The `Batches` of preprocessed examples.

        The preprocessor is read here, since the model has none while it is trained.
        """

    @abc.abstractmethod
    def evaluate(self, model, config):
        """The `Evaluation` of a trained model, from raw inputs of the test split."""

    @abc.abstractmethod
    def baseline(self):
        """The task's `Baseline`, fitted and evaluated."""

    def loss(self, config, examples):
        """The loss for these examples; "auto" is the model's own."""
        return "auto"

    def unlabelled(self):
        """Raw inputs without targets, a list; empty where the suite names no such split."""
        return (self.read("unlabelled") or {self.feature: []})[self.feature]

    def with_pseudo_labels(self, split, labels):
        """The `Examples` of a split; those to train on with the unlabelled inputs among them.

        Args:
            split: str.
            labels: what a teacher predicted for the unlabelled inputs, or None.
        """
        if labels is None:
            return self.examples(split)
        raise NotImplementedError

    def example(self):
        """One raw input, from the validation split."""
        return self.read("validation")[self.feature][0]

    def shown(self):
        """The raw input of the test split that pictures show: one of median length."""
        inputs = sorted(self.read("test")[self.feature], key=len)
        return inputs[len(inputs) // 2]
