"""The interface of a task: what a run needs from a task kind and its dataset."""

import abc
import dataclasses
import functools
from typing import Any, ClassVar

import pydantic

from benchmarks.metrics import Metric
from zoo.models.eager_preprocessing import without_preprocessor


class ModelConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The `model` keys of a task in a suite; each task kind derives its own.

    Suites with `equal_parameters` need a key `units`.
    """

    @property
    def reads_unlabelled(self):
        """Whether the model reads the split `unlabelled`, a bool."""
        return False


@dataclasses.dataclass(frozen=True)
class Data:
    """What is known about a task's dataset besides its examples.

    Attributes:
        licence: str.
        description: str, a paragraph; empty if there is none.
        counts: dict from a split's name to its number of examples, or to None if it is known only
            after reading.
    """

    licence: str
    description: str
    counts: dict


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Raw inputs and their targets.

    Attributes:
        inputs: list of raw inputs.
        targets: the expected outputs, in the task's own form.
    """

    inputs: list
    targets: Any

    def __len__(self):
        return len(self.inputs)


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """The result of evaluating a model on the test split.

    Attributes:
        value: float, the task's metric.
        interval: its 95 % confidence interval, `(low, high)`, or None if it has none.
        signature: str, how the metric was computed; for BLEU, sacreBLEU's signature.
        details: dict of further metrics by name.
        figures: dict of Matplotlib figures by name.
        texts: dict of text artifacts by file name.
        curves: dict of metrics by name that depend on an int, such as a gap: a dict from it to the
            value, logged with it as the step.
        warnings: list of str, problems with the answers, each a sentence to print.
    """

    value: float
    interval: tuple[float, float] | None
    signature: str
    details: dict = dataclasses.field(default_factory=dict)
    figures: dict = dataclasses.field(default_factory=dict)
    texts: dict = dataclasses.field(default_factory=dict)
    curves: dict = dataclasses.field(default_factory=dict)
    warnings: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A reference that isn't a neural network: it ignores order, copies, or is a classical model.

    Attributes:
        name: str, a short description.
        seconds: float, time to fit it.
        parameters: int, how many numbers it stores.
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
        validation_metric: the `Metric` on the validation split after each epoch, `val/<name>` in
            MLflow. It selects among seeds and champions. Models must be compiled with a Keras
            metric of this name.
        feature: str, the dataset's feature that is the raw input.
        target_feature: str, the dataset's feature that is the target, or None.
        supports: names of the recipe steps that can train its models, and of the keys of steps that
            not every task has.
        baselines: names of its methods that fit and evaluate a baseline; they begin with
            `baseline`, and suites name them like architectures.
        one_direction: whether its models read in one direction alone, so that bidirectional
            architectures are rejected.
        Model: the `ModelConfig` of its `model` keys.
        examples: `read_examples`, cached.

    Args:
        read: callable from a split's name to a dict of lists, one per feature, or None for a split
            that the suite doesn't name; `gap` replaces `GAP` in the suite's expression.
        features: dict from a feature's name to its TFDS feature.
        data: the `Data`.
    """

    metric: ClassVar[Metric]
    validation_metric: ClassVar[Metric]
    feature: str
    target_feature: ClassVar[str | None] = None
    supports: ClassVar[tuple] = ("fit",)
    baselines: ClassVar[tuple] = ("baseline",)
    one_direction: ClassVar[bool] = False
    Model: ClassVar[type[ModelConfig]]

    def __init__(self, read, features, data):
        self.read = read
        self.features = features
        self.data = data
        self.examples = functools.cache(self.read_examples)

    @abc.abstractmethod
    def read_examples(self, split):
        """Reads the `Examples` of a split, `"train"`, `"validation"` or `"test"`."""

    def check(self, config):  # noqa: B027 - most tasks suit any data with their features
        """Checks that the data suits a `RunConfig`, before anything is trained on it.

        Raises:
            DatasetError: it doesn't. The message says what to change in the data or the suite.
        """

    @abc.abstractmethod
    def build(self, config):
        """Builds the untrained model of a `RunConfig`, with its preprocessor."""

    @abc.abstractmethod
    def evaluate(self, model, config):
        """Evaluates a trained model on raw inputs of the test split; returns an `Evaluation`."""

    @abc.abstractmethod
    def baseline(self):
        """Fits and evaluates the baseline; returns a `Baseline`."""

    def batches(self, model, examples, config, batch_size=32):
        """Batches preprocessed examples, for the steps that train on single examples.

        Args:
            model: a model with its preprocessor, which training disables later.
            examples: `Examples`.
            config: `RunConfig`.
            batch_size: int.

        Returns:
            A `Batches`.

        Raises:
            NotImplementedError: the task has no single examples.
        """
        raise NotImplementedError(f"{type(self).__name__} supports `fit`: define `batches`.")

    def validate(self, model, config):
        """The loss and the metrics of a trained model on the validation split, a dict of floats."""
        validation = self.examples("validation")
        model.compile(loss=self.loss(config, validation), jit_compile=False)
        batches = self.batches(model, validation, config)
        with without_preprocessor(model):
            return model.evaluate(batches.dataset, verbose=0, return_dict=True)

    def loss(self, config, examples):
        """The loss to compile a model with for these examples; "auto" is the model's default."""
        return "auto"

    def unlabelled(self):
        """The raw inputs of the split `unlabelled`, a list; empty if the suite names none."""
        return (self.read("unlabelled") or {self.feature: []})[self.feature]

    def with_pseudo_labelled(self, split, added):
        """The `Examples` of a split; those of the training split with additional ones.

        Args:
            split: str.
            added: a pair of raw inputs and a teacher's predictions for them, or None.

        Raises:
            NotImplementedError: the task has no pseudo-labels.
        """
        if added is None:
            return self.examples(split)
        raise NotImplementedError(
            f"{type(self).__name__} supports `pseudo_label`: define `with_pseudo_labelled`."
        )

    def example(self):
        """One raw input, from the validation split."""
        return self.read("validation")[self.feature][0]

    def example_for(self, model):
        """One raw input as the model's `input_schema` describes it; by default `example()`."""
        return self.example()

    def plotted_input(self):
        """The raw input of the test split to plot: one of median length."""
        inputs = sorted(self.read("test")[self.feature], key=len)
        return inputs[len(inputs) // 2]
