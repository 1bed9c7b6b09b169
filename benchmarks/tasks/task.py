"""The shape of a task, and what tasks share: batches of like length and accuracy."""

import abc
import dataclasses
import time

import numpy as np
import scipy.stats

from zoo.datasets.registry import DatasetError


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What one look at the test split gives.

    Attributes:
        value: the task's metric.
        interval: its 95 % confidence interval, `(low, high)`.
        details: further metrics by name.
        figures: matplotlib figures by name.
        texts: text artifacts by file name.
        signature: how the metric was computed, in its library's own words.
    """

    value: float
    interval: tuple[float, float]
    signature: str
    details: dict = dataclasses.field(default_factory=dict)
    figures: dict = dataclasses.field(default_factory=dict)
    texts: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A task's reference that ignores order or doesn't learn.

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
    """One task on one dataset.

    Attributes:
        metric: name of the test metric.
        input_name: what a raw input is called where models are served.
        feature: what it is called in the dataset.
        has_self_training: whether `self_training_batches` are there.

    Args:
        read: callable from a split's name to a dict of lists, one a feature.
        features: dict of the dataset's TFDS features by name.
        licence: str, the dataset's.
    """

    metric: str
    input_name: str
    feature: str
    has_self_training = False
    Model: type

    def __init__(self, read, features, licence):
        self.read = read
        self.features = features
        self.licence = licence

    @abc.abstractmethod
    def build(self, config):
        """An untrained model with its preprocessor, of a `RunConfig`."""

    def pretrain(self, model, config, update):
        """Trains an untrained model without labels, where the config asks for it.

        Returns:
            Metrics by name, with `pretraining/seconds` among them where there was something to
            do. `update` is called with `total` and `completed` batches.
        """
        return {}

    def trainer(self, model, config):
        """What is fitted in the place of a model, to train it in another way."""
        return model

    def companions(self, config):
        """Classifiers of another kind that are to answer together with the recurrent ones, where
        the config asks for some: a list of them, fitted, and the seconds that it took."""
        return [], 0.0

    @abc.abstractmethod
    def batches(self, model, split, config, shuffle):
        """`tf.data` batches of a split, preprocessed; shuffled anew each epoch, from the
        config's seed, where `shuffle`."""

    def self_training_batches(self, model, config, labels):
        """As `batches` to train on, with the unlabelled examples among them; `labels` is what a
        model said of those, probabilities `[examples, classes]`."""
        raise NotImplementedError

    @abc.abstractmethod
    def evaluate(self, model, config):
        """The `Evaluation` of a trained model, from raw inputs of the test split."""

    @abc.abstractmethod
    def baseline(self):
        """The task's `Baseline`, fitted and evaluated."""

    def loss(self, config):
        """The loss to train with; "auto" is the model's own."""
        return "auto"

    def example(self):
        """One raw input, from the validation split."""
        return self.read("validation")[self.feature][0]

    def labelled(self):
        """Raw inputs and labels of each split, of a dataset with labels."""
        splits = {name: self.read(name) for name in ("train", "validation", "test")}
        if len(set(splits["train"]["label"])) < 2:
            raise DatasetError(
                "All training examples have one label; there is nothing to tell apart."
            )
        return {name: (data[self.feature], data["label"]) for name, data in splits.items()}

    def shown(self):
        """The raw input of the test split that pictures show: one of median length."""
        inputs = sorted(self.read("test")[self.feature], key=len)
        return inputs[len(inputs) // 2]


def bucketed_batches(columns, lengths, batch_size, seed=None):
    """Batches of examples of like length, so that little of a batch is padding.

    Args:
        columns: function from an array of indices to one padded batch.
        lengths: int array, one an example.
        batch_size: int.
        seed: int, shuffle anew each epoch; None keeps the order of length, in batches four
            times as large.

    Returns:
        A `tf.data.Dataset` of known cardinality.
    """
    import tensorflow as tf

    if seed is None:
        batch_size *= 4  # nothing is learned from these, so they may be as large as runs fast
    lengths = np.asarray(lengths)
    generator = np.random.default_rng(seed)
    count = len(lengths)

    def epoch():
        if seed is None:
            order = np.argsort(lengths, kind="stable")
            starts = np.arange(0, count, batch_size)
        else:
            # Lengths are blurred so that an example meets other neighbours each epoch.
            blurred = lengths * generator.uniform(0.85, 1.15, count) + generator.uniform(
                0, 1, count
            )
            order = np.argsort(blurred, kind="stable")
            starts = generator.permutation(np.arange(0, count, batch_size))
        for start in starts:
            yield columns(order[start : start + batch_size])

    # Batch and time vary; the features of a frame don't.
    signature = tf.nest.map_structure(
        lambda array: tf.TensorSpec((None, None)[: array.ndim] + array.shape[2:], array.dtype),
        columns(np.arange(1)),
    )
    dataset = tf.data.Dataset.from_generator(epoch, output_signature=signature)
    cardinality = tf.data.experimental.assert_cardinality(-(-count // batch_size))
    return dataset.apply(cardinality).prefetch(2)


def logistic_baseline(name, features, data, labels, candidates):
    """Logistic regression on features that ignore order, as a `Baseline`.

    Args:
        name: str, what the features are.
        features: scikit-learn transformer from raw inputs.
        data: dict from `train`, `validation` and `test` to `(inputs, labels)`.
        labels: list of str, the names of the classes.
        candidates: list of float, the inverse strengths of regularisation to choose from, on the
            validation split.
    """
    from sklearn.linear_model import LogisticRegression

    start = time.perf_counter()
    train = features.fit_transform(data["train"][0])
    validation = features.transform(data["validation"][0])
    fitted = [
        LogisticRegression(C=c, max_iter=5000).fit(train, data["train"][1]) for c in candidates
    ]
    best = max(fitted, key=lambda model: model.score(validation, data["validation"][1]))
    seconds = time.perf_counter() - start
    test_inputs, test_labels = data["test"]
    # A class that no training example has is no column of the regression's.
    probabilities = np.zeros((len(test_labels), len(labels)))
    probabilities[:, best.classes_] = best.predict_proba(features.transform(test_inputs))
    return Baseline(
        name=f"{name}, logistic regression",
        seconds=seconds,
        parameters=best.coef_.size + best.intercept_.size,
        evaluation=accuracy(test_labels, probabilities, labels),
    )


def accuracy(labels, probabilities, names, inputs=None):
    """The `Evaluation` of a classifier: accuracy with Wilson's interval, and who was confused.

    Args:
        labels: int array `[examples]`, the right classes.
        probabilities: float array `[examples, classes]`.
        names: list of str, the classes.
        inputs: list of str or None; the first mistakes are shown with them.
    """
    from benchmarks import plots

    labels = np.asarray(labels)
    predicted = probabilities.argmax(axis=1)
    right = predicted == labels
    interval = scipy.stats.binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    confusion = np.zeros((len(names), len(names)), int)
    np.add.at(confusion, (labels, predicted), 1)
    texts = {}
    if inputs is not None:
        texts["mistakes.txt"] = "\n".join(
            f"{names[labels[i]]} taken for {names[predicted[i]]} "
            f"({probabilities[i, predicted[i]]:.2f}): {inputs[i]}"
            for i in np.flatnonzero(~right)[:100]
        )
    log_loss = -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-12)).mean()
    return Evaluation(
        value=float(right.mean()),
        interval=(float(interval.low), float(interval.high)),
        signature=f"accuracy of {len(right)} examples, 95 % Wilson interval",
        details={"log_loss": float(log_loss)},
        figures={"confusion_matrix": plots.confusion_matrix(confusion, names)},
        texts=texts,
    )
