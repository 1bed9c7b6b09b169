"""Base class of classification tasks: labels, metrics, pseudo-labels and a linear baseline."""

import time
from typing import Literal

import keras
import numpy as np
import pydantic
from keras import ops

from benchmarks import plots
from benchmarks.metrics import ACCURACY
from benchmarks.tasks.task import Baseline, Evaluation, Examples, ModelConfig, Task
from zoo.datasets.errors import DatasetError


class ClassifierConfig(ModelConfig, frozen=True):
    """The `model` keys that classifiers share.

    Attributes:
        class_weights: `"balanced"` weights the loss of an example by the inverse frequency of its
            class in the training split, `"none"` doesn't.
    """

    # Left out of a configuration without it, so that older runs are still found.
    class_weights: Literal["none", "balanced"] = pydantic.Field(
        "none", exclude_if=lambda weights: weights == "none"
    )


class BalancedCrossEntropy(keras.losses.Loss):
    """Cross-entropy in which examples of rare classes weigh more.

    Args:
        weights: list of float, the weight of each class; their scale doesn't matter.
    """

    def __init__(self, weights, name="balanced_cross_entropy"):
        super().__init__(name=name)
        self.weights = weights

    def call(self, y_true, y_pred):
        if len(y_true.shape) < 2 or y_true.shape[-1] == 1:
            y_true = ops.one_hot(ops.reshape(y_true, (-1,)), len(self.weights))
        weights = ops.convert_to_tensor(self.weights, y_pred.dtype)
        weights = ops.sum(ops.cast(y_true, y_pred.dtype) * weights, axis=-1)
        return weights * keras.losses.categorical_crossentropy(y_true, y_pred)


class Classification(Task):
    """Predicts the class of an example, the dataset's feature `label`; the metric is accuracy."""

    metric = ACCURACY
    validation_metric = ACCURACY
    target_feature = "label"
    supports = ("fit", "ensemble", "pseudo_label")

    @property
    def labels(self):
        """The names of the classes, a list of str.

        Raises:
            DatasetError: the feature isn't one of classes.
        """
        names = getattr(self.features["label"], "names", None)
        if names is None:
            raise DatasetError(
                "The feature `label` must be a class label with names. Received: "
                f"{self.features['label']!r}"
            )
        return names

    def check(self, config):
        counts = {
            split: np.bincount(self.examples(split).targets, minlength=len(self.labels))
            for split in ("train", "validation", "test")
        }
        if np.count_nonzero(counts["train"]) < 2:
            raise DatasetError(
                "All training examples have the same label, so there is nothing to classify. Add "
                "examples with another label."
            )
        for split, of_split in counts.items():
            unseen = np.flatnonzero((of_split > 0) & (counts["train"] == 0))
            if len(unseen):
                names = ", ".join(repr(self.labels[label]) for label in unseen)
                raise DatasetError(
                    f"No training example has the label {names}, which the split {split!r} has. "
                    "Add training examples with it, or correct the label."
                )

    def read_examples(self, split):
        data = self.read(split)
        labels = np.asarray(data["label"])
        if labels.min() < 0:
            raise DatasetError(
                f"The split {split!r} has examples without a label (-1). Name one whose examples "
                "all have one."
            )
        return Examples(data[self.feature], labels)

    def with_pseudo_labelled(self, split, added):
        examples = self.examples(split)
        if added is None:
            return examples
        inputs = examples.inputs
        targets = np.eye(len(self.labels), dtype="float32")[examples.targets]
        if split == "train":
            more, predictions = added
            inputs = inputs + more
            targets = np.concatenate([targets, predictions])
        return Examples(inputs, targets)

    def loss(self, config, examples):
        is_probability = examples.targets.ndim == 2
        if config.model.class_weights == "balanced":
            counts = np.bincount(self.examples("train").targets, minlength=len(self.labels))
            return BalancedCrossEntropy((counts.sum() / np.maximum(counts, 1)).tolist())
        return "categorical_crossentropy" if is_probability else "auto"

    def linear_baseline(self, name, transformer, candidates):
        """Fits logistic regression on order-blind features of the inputs.

        Args:
            name: str, what the features are.
            transformer: scikit-learn transformer from raw inputs to features.
            candidates: list of float, inverse regularisation strengths; the best on the validation
                split is chosen.

        Returns:
            A `Baseline`.
        """
        from sklearn.linear_model import LogisticRegression

        splits = {split: self.examples(split) for split in ("train", "validation", "test")}
        start = time.perf_counter()
        train = transformer.fit_transform(splits["train"].inputs)
        validation = transformer.transform(splits["validation"].inputs)
        fitted = [
            LogisticRegression(C=c, max_iter=5000).fit(train, splits["train"].targets)
            for c in candidates
        ]
        best = max(fitted, key=lambda model: model.score(validation, splits["validation"].targets))
        seconds = time.perf_counter() - start
        test = splits["test"]
        # The regression has no column for a class without training examples.
        probabilities = np.zeros((len(test), len(self.labels)))
        probabilities[:, best.classes_] = best.predict_proba(transformer.transform(test.inputs))
        return Baseline(
            name=f"{name}, logistic regression",
            seconds=seconds,
            parameters=best.coef_.size + best.intercept_.size,
            evaluation=accuracy(test.targets, probabilities, self.labels),
        )


def accuracy(labels, probabilities, names, inputs=None):
    """Evaluates a classifier: accuracy, log loss, metrics by class and a confusion matrix.

    Args:
        labels: int array `[examples]`, the true classes.
        probabilities: float array `[examples, classes]`.
        names: list of str, the classes.
        inputs: list of str or None, the texts to list the first 100 mistakes with.

    Returns:
        An `Evaluation`.
    """
    labels = np.asarray(labels)
    predicted = probabilities.argmax(axis=1)
    correct = predicted == labels
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (labels, predicted), 1)
    never = [names[i] for i in np.flatnonzero(confusion.any(axis=1) & ~confusion.any(axis=0))]
    texts = {}
    if inputs is not None:
        texts["mistakes.txt"] = "\n".join(
            f"{names[labels[i]]} predicted as {names[predicted[i]]} "
            f"({probabilities[i, predicted[i]]:.2f}): {inputs[i]}"
            for i in np.flatnonzero(~correct)[:100]
        )
    log_loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean()
    return Evaluation(
        value=float(correct.mean()),
        interval=ACCURACY.interval(correct),
        signature=f"accuracy of {len(correct)} examples, 95 % Wilson interval",
        details={"log_loss": float(log_loss), **_by_class(confusion)},
        figures={"confusion_matrix": plots.confusion_matrix(confusion, names)},
        texts=texts,
        warnings=[
            f"No test example was predicted as {' or '.join(map(repr, never))}. If the class is "
            "rare, set `class_weights: balanced` under `model` in the suite."
        ]
        if never
        else [],
    )


def _by_class(confusion):
    """Metrics in which each class of the test split counts the same, whatever its frequency.

    Args:
        confusion: int array `[classes, classes]`, true classes by predicted ones.

    Returns:
        A dict of floats: `balanced_accuracy`, the mean recall, and `macro_f1`, the mean of the F1
        scores.
    """
    tested = confusion.any(axis=1)
    hits = np.diag(confusion)[tested]
    true, predicted = confusion.sum(axis=1)[tested], confusion.sum(axis=0)[tested]
    return {
        "balanced_accuracy": float((hits / true).mean()),
        "macro_f1": float((2 * hits / (true + predicted)).mean()),
    }
