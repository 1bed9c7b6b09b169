"""Tasks: embeddings, baselines and augmentation."""

import types

import numpy as np
import pytest

from benchmarks import config
from benchmarks.tasks import TASKS
from zoo.datasets.errors import DatasetError

LABEL = types.SimpleNamespace(names=["bad", "good"])


def of_suite(task, **model):
    """The configuration of an RNN in the suite `standard`, with other `model` keys."""
    (run,) = config.load("standard", tasks=[task], chosen=["rnn"], seeds=1)
    return run.model_copy(update={"model": run.model.model_copy(update=model)})


@pytest.fixture
def reviews():
    texts = ["a fine film", "a dull film", "what a fine day", "what a dull day"] * 10
    data = {"train": {"text": texts, "label": [1, 0, 1, 0] * 10}, "unlabelled": None}
    return data, lambda: TASKS["sentiment"](data.get, {"label": LABEL}, "none")


def embedding(task):
    run = of_suite("sentiment", vocabulary_size=50, embedding_dim=4, embedding_window=2)
    return task.build(run).backbone.token_embedding.get_weights()[0]


def test_the_embedding_is_initialised_from_labelled_and_unlabelled_texts(reviews):
    data, task = reviews
    first, again = embedding(task()), embedding(task())
    np.testing.assert_array_equal(first, again)
    assert first.std() == pytest.approx(0.1, rel=1e-4)
    data["unlabelled"] = {"text": ["a film what a day"] * 20}
    assert not np.allclose(embedding(task()), first)


def test_a_baseline_allows_labels_without_training_texts():
    names = ["none", "bad", "rare", "good"]
    texts, labels = ["a fine film", "a dull film"] * 10, [3, 1] * 10
    data = {split: {"text": texts, "label": labels} for split in ("train", "validation")}
    data["test"] = {"text": [*texts, "rare"], "label": [*labels, 2]}
    features = {"label": types.SimpleNamespace(names=names)}
    task = TASKS["sentiment"](data.get, features, "none")
    assert task.baseline().evaluation.value == pytest.approx(20 / 21)


def check_texts(train, test):
    """Checks the labels of a training and a test split, among none, bad, rare and good."""
    splits = {"train": train, "validation": train, "test": test}
    data = {name: {"text": ["a"] * len(labels), "label": labels} for name, labels in splits.items()}
    features = {"label": types.SimpleNamespace(names=["none", "bad", "rare", "good"])}
    TASKS["sentiment"](data.get, features, "none").check(of_suite("sentiment"))


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([1, 1], [1], "All training examples have the same label"),
        ([1, 3], [1, 2], "No training example has the label 'rare', which the split 'test' has"),
        ([1, 3], [1, -1], "'test' has examples without a label"),
    ],
)
def test_labels_that_cannot_be_learned_are_an_error_before_training(train, test, message):
    check_texts([1, 3], [1])
    with pytest.raises(DatasetError, match=message):
        check_texts(train, test)


def speech(feature):
    """A speech task whose clips are waveforms, `audio`, or `frames`."""
    clip = np.zeros((100, 3) if feature == "frames" else 4000, "float32")
    data = {feature: [clip] * 4, "label": [0, 1] * 2}
    features = {feature: types.SimpleNamespace(), "label": LABEL}
    return TASKS["speech"](lambda split: data, features, "none")


def of_quick(**model):
    (run,) = config.load("quick", tasks=["speech"], chosen=["rnn"], seeds=1)
    return run.model_copy(update={"model": run.model.model_copy(update=model)})


@pytest.mark.parametrize(("feature", "front_end"), [("audio", "log_mel"), ("frames", "frames")])
def test_the_front_end_follows_the_data(feature, front_end):
    task, run = speech(feature), of_quick(units=2)
    task.check(run)
    assert task.build(run).backbone.front_end == front_end


@pytest.mark.parametrize(
    ("feature", "keys", "message"),
    [
        ("audio", {"front_end": "frames"}, "has waveforms. Set `front_end` to log_mel or mfcc"),
        ("frames", {"front_end": "mfcc"}, "has frames. Set `front_end` to frames"),
        ("frames", {"deltas": True}, "`deltas` applies to waveforms"),
        ("frames", {"feature_dim": 3}, "`feature_dim` applies to waveforms"),
    ],
)
def test_a_front_end_that_does_not_fit_the_data_is_an_error(feature, keys, message):
    with pytest.raises(DatasetError, match=message):
        speech(feature).check(of_quick(**keys))


def test_speed_perturbation_applies_only_to_training():
    clips = [np.sin(np.arange(4000) / 10).astype("float32")] * 8
    features = {"audio": types.SimpleNamespace(sample_rate=8000), "label": LABEL}
    data = {"audio": clips, "label": [0, 1] * 4}
    task = TASKS["speech"](lambda split: data, features, "none")
    run = of_suite("speech", speed=0.2, units=2)
    model = task.build(run)
    lengths = {}
    for shuffled in (True, False):
        batches = task.batches(model, task.examples("train"), run)
        if shuffled:
            batches.shuffle(0)
        (batch,) = batches.dataset
        lengths[shuffled] = np.asarray(batch[0]["padding_mask"]).sum(axis=1)
    assert (lengths[False] == 4000).all()
    assert np.unique(lengths[True]).size == 8
    assert 2000 < lengths[True].min() < 4000 < lengths[True].max() < 8000
