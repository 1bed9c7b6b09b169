"""Other sounds: a classifier of words learns to refuse silence, noise and pieces of words."""

import types

import numpy as np
import pytest
import tensorflow_datasets as tfds

from benchmarks import config
from benchmarks.recipes.pseudo_label import PseudoLabel
from benchmarks.tasks import TASKS
from benchmarks.tasks.other_sounds import other_sounds
from zoo.datasets.errors import DatasetError

RATE = 8000


def word(label, generator):
    """A tone that rises through an octave, or falls, and a short one before it."""
    first, second = (300, 600) if label == 0 else (1800, 900)
    frequency = np.concatenate([np.full(800, first), np.geomspace(first, second, 1600)])
    frequency *= generator.uniform(0.97, 1.03)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(frequency) / RATE)).astype("float32")


@pytest.fixture
def task():
    generator = np.random.default_rng(0)
    labels = [0, 1] * 20
    data = {"audio": [word(label, generator) for label in labels], "label": labels}
    features = {
        "audio": tfds.features.Audio(sample_rate=RATE),
        "label": types.SimpleNamespace(names=["up", "down"]),
    }
    return TASKS["speech"](lambda split: data, features, "none")


@pytest.fixture
def run():
    (run,) = config.load("standard", tasks=["speech"], chosen=["gru"], seeds=1)
    small = {"units": 16, "others": 0.5, "speed": 0.0, "noise": 0.1, "shift": 0.0, "dropout": 0.0}
    return run.model_copy(update={"model": run.model.model_copy(update=small)})


def test_other_sounds_are_of_many_kinds_and_repeatable(task):
    words = task.read("train")["audio"]
    sounds, again = (other_sounds(words, 60, RATE, np.random.default_rng(1)) for _ in range(2))
    assert all(np.array_equal(one, other) for one, other in zip(sounds, again, strict=True))
    assert {sound.dtype for sound in sounds} == {np.dtype("float32")}
    assert all(np.abs(sound).max() <= 1 and 0 < len(sound) <= RATE for sound in sounds)
    assert any(not sound.any() for sound in sounds)
    assert any(np.array_equal(sound[::-1], one) for sound in sounds for one in words)
    is_start = lambda sound: any(np.array_equal(one[: len(sound)], sound) for one in words)
    assert any(0.19 < len(sound) / len(words[0]) < 0.41 for sound in filter(is_start, sounds))


def test_a_classifier_refuses_them(task, run):
    model = task.build(run)
    assert model.labels == ["up", "down", "unknown"]
    model.compile("adam")
    model.optimizer.learning_rate = 0.02
    batches = task.batches(model, task.examples("train"), run, batch_size=20)
    batches.shuffle(0)
    assert len(batches) == 3  # of 60 examples
    preprocessor, model.preprocessor = model.preprocessor, None
    model.fit(batches.dataset.repeat(), steps_per_epoch=60, verbose=0)
    model.preprocessor = preprocessor
    evaluation = task.evaluate(model, run)
    assert evaluation.value > 0.9
    assert evaluation.details["refused"] > 0.7
    noise = np.random.default_rng(2).normal(0, 0.1, RATE).astype("float32")
    answers = model.answers([np.zeros(RATE, "float32"), noise])
    assert [answer["label"] for answer in answers] == ["unknown", "unknown"]


def test_validation_has_the_same_ones_every_time_and_training_others(task, run):
    model = task.build(run)
    batches = task.batches(model, task.examples("train"), run, batch_size=60)
    first, second = ([batch for batch, _ in batches.dataset] for _ in range(2))
    assert all(np.array_equal(a["audio"], b["audio"]) for a, b in zip(first, second, strict=True))
    batches.shuffle(0)
    first, second = (sizes(batches) for batches.epoch in range(2))
    assert [len(first[label]) for label in range(3)] == [20, 20, 20]
    assert first[0] == second[0]
    assert first[1] == second[1]
    assert first[2] != second[2]


def sizes(batches):
    """The sum of the squared samples of each clip, sorted, for each label."""
    found = {0: [], 1: [], 2: []}
    for batch, labels in batches.dataset:
        for clip, label in zip(batch["audio"].numpy(), labels.numpy(), strict=True):
            found[label].append(round(float((clip.astype("float64") ** 2).sum()), 6))
    return {label: sorted(of_label) for label, of_label in found.items()}


@pytest.mark.parametrize("what", ["class_weights", "pseudo_label"])
def test_what_does_not_know_the_label_is_refused(task, run, what):
    if what == "pseudo_label":
        run = run.model_copy(update={"recipe": (PseudoLabel(),)})
    else:
        balanced = run.model.model_copy(update={"class_weights": "balanced"})
        run = run.model_copy(update={"model": balanced})
    with pytest.raises(DatasetError, match="`others` adds a label, which `class_weights` and"):
        task.check(run)
