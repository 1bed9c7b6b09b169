"""Classification: metrics by class, warnings and class weights."""

import types

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from benchmarks import config
from benchmarks.tasks import TASKS
from benchmarks.tasks.classification import BalancedCrossEntropy, accuracy

NAMES = ["bad", "fine", "good"]


def evaluate(labels, predicted):
    return accuracy(labels, np.eye(3)[predicted], NAMES)


@pytest.mark.parametrize(
    ("labels", "predicted"),
    [
        ([0, 0, 0, 0, 1, 2], [0, 0, 0, 1, 1, 0]),
        ([0, 0, 1, 1, 1], [0, 1, 1, 1, 0]),  # the third class isn't in the test split
    ],
)
def test_metrics_by_class_are_those_of_scikit_learn(labels, predicted):
    details = evaluate(labels, predicted).details
    expected = balanced_accuracy_score(labels, predicted)
    assert details["balanced_accuracy"] == pytest.approx(expected)
    expected = f1_score(labels, predicted, labels=np.unique(labels), average="macro")
    assert details["macro_f1"] == pytest.approx(expected)


def test_a_class_that_is_never_predicted_is_a_warning():
    (warning,) = evaluate([0, 0, 1, 2], [0, 0, 0, 0]).warnings
    assert "predicted as 'fine' or 'good'" in warning
    assert "class_weights: balanced" in warning
    assert not evaluate([0, 0, 1], [0, 1, 0]).warnings


@pytest.mark.parametrize("form", ["indices", "column", "probabilities"])
def test_examples_of_rare_classes_weigh_more(form):
    labels = np.array([0, 0, 2])
    predicted = np.array([[0.5, 0.2, 0.3], [0.8, 0.1, 0.1], [0.6, 0.2, 0.2]], "float32")
    targets = {"indices": labels, "column": labels[:, None], "probabilities": np.eye(3)[labels]}
    loss = BalancedCrossEntropy([1.0, 5.0, 4.0])(targets[form], predicted)
    expected = -(np.log(0.5) + np.log(0.8) + 4 * np.log(0.2)) / 3
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_class_weights_raise_the_recall_of_a_rare_class():
    generator = np.random.default_rng(0)
    labels = np.array([0] * 190 + [1] * 10)
    frames = [generator.normal(0.5 * label, 1, (5, 2)).astype("float32") for label in labels]
    data = {"frames": frames, "label": labels.tolist()}
    label = types.SimpleNamespace(names=["common", "rare"])
    task = TASKS["speech"](lambda split: data, {"frames": None, "label": label}, "none")
    (run,) = config.load("quick", tasks=["speech"], chosen=["gru"], seeds=1)
    recall = {}
    for class_weights in ("none", "balanced"):
        changes = {"class_weights": class_weights, "units": 4, "noise": 0.0, "shift": 0.0}
        chosen = run.model_copy(update={"model": run.model.model_copy(update=changes)})
        model = task.build(chosen)
        model.compile("adam", loss=task.loss(chosen, task.examples("train")))
        model.optimizer.learning_rate = 0.01
        batches = task.batches(model, task.examples("train"), chosen, batch_size=40)
        batches.shuffle(0)
        preprocessor, model.preprocessor = model.preprocessor, None
        model.fit(batches.dataset.repeat(), steps_per_epoch=40, verbose=0)
        model.preprocessor = preprocessor
        predicted = model.predict(frames).argmax(axis=1)
        recall[class_weights] = float((predicted[labels == 1] == 1).mean())
    assert recall["none"] <= 0.3
    assert recall["balanced"] >= 0.7
