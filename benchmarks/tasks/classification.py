"""Base class of classification tasks: labels, accuracy, pseudo-labels and a linear baseline."""

import time

import numpy as np

from benchmarks import plots
from benchmarks.metrics import ACCURACY
from benchmarks.tasks.task import Baseline, Evaluation, Examples, Task
from zoo.datasets.errors import DatasetError


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

    def read_examples(self, split):
        data = self.read(split)
        labels = np.asarray(data["label"])
        if labels.min() < 0:
            raise DatasetError(
                f"The split {split!r} has examples without a label (-1). Name one whose examples "
                "all have one."
            )
        return Examples(data[self.feature], labels)

    def with_pseudo_labels(self, split, labels):
        examples = self.examples(split)
        if labels is None:
            return examples
        inputs = examples.inputs
        targets = np.eye(len(self.labels), dtype="float32")[examples.targets]
        if split == "train":
            inputs = inputs + self.unlabelled()
            targets = np.concatenate([targets, labels])
        return Examples(inputs, targets)

    def loss(self, config, examples):
        is_probability = examples.targets.ndim == 2
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

        Raises:
            DatasetError: if all training examples have the same label.
        """
        from sklearn.linear_model import LogisticRegression

        splits = {split: self.examples(split) for split in ("train", "validation", "test")}
        if len(np.unique(splits["train"].targets)) < 2:
            raise DatasetError(
                "All training examples have the same label, so there is nothing to classify. Add "
                "examples with another label."
            )
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
    """Evaluates a classifier: accuracy, log loss and a confusion matrix.

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
        details={"log_loss": float(log_loss)},
        figures={"confusion_matrix": plots.confusion_matrix(confusion, names)},
        texts=texts,
    )
