"""The interface of a memory problem: its sequences, model and baselines at any gap."""

import abc
import dataclasses
from collections.abc import Callable
from typing import ClassVar

from zoo import models
from zoo.datasets.errors import DatasetError


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A fitted baseline.

    Attributes:
        name: str, a description.
        answer: function from a list of inputs to outputs as `Problem.is_correct` takes them.
        parameters: int, the number of values that it stores.
    """

    name: str
    answer: Callable
    parameters: int

    def predict(self, inputs, batch_size=None):
        """The outputs for a list of inputs, as a model's `predict`."""
        return self.answer(inputs)


class Problem(abc.ABC):
    """A problem that is generated for any gap.

    Attributes:
        feature, target_feature: str, the features of its dataset.
        solved: float, the accuracy from which a gap counts as solved.
        correct: str, which answers count as correct.
        alphabet: str, the symbols of its sequences; None for values.
        feature_dim: int, values per step; None for symbols.

    Args:
        features: dict from a feature's name to its TFDS feature.
    """

    feature: ClassVar[str]
    target_feature: ClassVar[str]
    solved: ClassVar[float] = 0.99
    correct: ClassVar[str]
    alphabet: ClassVar[str | None] = None
    feature_dim: ClassVar[int | None] = None

    def __init__(self, features):
        self.features = features

    @staticmethod
    @abc.abstractmethod
    def draw(generator, count, gap):
        """Draws examples, in the form of `zoo.datasets.read`; see `zoo.datasets.gap_builder`."""

    @abc.abstractmethod
    def targets(self, column):
        """The target feature of examples, a list, as an array for training."""

    @abc.abstractmethod
    def model(self, backbone, preprocessor):
        """The task model on a `MemoryBackbone`."""

    @abc.abstractmethod
    def is_correct(self, outputs, targets):
        """Which answers are correct, a bool array, from a model's predictions and the targets."""

    @abc.abstractmethod
    def loss_of_steps(self, head, outputs, targets):
        """The loss of each example, from a recurrent layer's last outputs.

        Args:
            head: the model's last Dense layer.
            outputs: float tensor `[batch, steps, units]`, of the last `answer_steps` steps.
            targets: array as `targets` makes it.

        Returns:
            A float tensor `[batch]`.
        """

    @property
    def answer_steps(self):
        """The number of steps at the end of a sequence in which a model answers."""
        return 1

    def timescale(self, gap):
        """The longest dependency of the sequences of a gap, in steps."""
        return gap

    @abc.abstractmethod
    def order_blind(self, train, validation):
        """Fits a model that ignores the order of the steps.

        Args:
            train, validation: `Examples`.

        Returns:
            A `Fitted`.
        """

    @abc.abstractmethod
    def constant(self, train):
        """The best constant answer; returns as `order_blind`."""

    def hidden_markov(self, train, validation):
        """Fits hidden Markov models; returns as `order_blind`.

        Raises:
            DatasetError: the problem has no classes.
        """
        raise DatasetError(
            f"Hidden Markov models need classes, but the target is {self.target_feature!r}. Choose "
            "the dataset temporal_order."
        )

    def preprocessor(self):
        """The preprocessor of its models."""
        return models.MemoryPreprocessor(self.alphabet, self.feature_dim)
