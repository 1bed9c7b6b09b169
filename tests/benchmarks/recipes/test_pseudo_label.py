"""Pseudo-labels: the teacher labels unlabelled texts, and the student trains on them."""

import types

import numpy as np
import pytest

from benchmarks import config
from benchmarks.metrics import ACCURACY
from benchmarks.recipes import Training, fit, pseudo_label, train
from benchmarks.recipes.ensemble import Ensemble, NgramKeys
from benchmarks.recipes.pseudo_label import PseudoLabel
from benchmarks.recipes.run_log import RunLog
from benchmarks.recipes.step import total_epochs
from benchmarks.tasks import TASKS
from zoo import models

LABEL = types.SimpleNamespace(names=["bad", "good"])
TEXTS = ["a fine film", "a dull film", "what a fine day", "what a dull day"] * 10
MORE = ["fine and grand", "dull and dreary", "grand and fine", "dreary and dull"] * 15


@pytest.fixture
def task():
    data = {
        "train": {"text": TEXTS, "label": [1, 0, 1, 0] * 10},
        "validation": {"text": TEXTS[:8], "label": [1, 0, 1, 0] * 2},
        "unlabelled": {"text": MORE},
    }
    return TASKS["sentiment"](data.get, {"label": LABEL}, "none")


def configuration(task, *steps):
    """The `RunConfig` of a small GRU, trained by `fit` and the given steps, and its `RunLog`."""
    (run,) = config.load("standard", tasks=["sentiment"], chosen=["gru"], seeds=1)
    small = {"vocabulary_size": 60, "embedding_dim": 8, "units": 8, "embedding_window": 0}
    first = fit.Fit(epochs=8, batch_size=8, learning_rate=0.02)
    recipe = (first, *steps)
    run = run.model_copy(
        update={"model": run.model.model_copy(update=small), "recipe": recipe, "quality": 0.5}
    )
    epochs, done = [], []
    log = RunLog(
        ACCURACY,
        run.quality,
        total_epochs(recipe),
        lambda **progress: done.append(progress),
        lambda values, epoch: epochs.append(epoch),
    )
    log.epochs, log.done = epochs, done
    return run, log


@pytest.fixture
def trainer(task, tmp_path):
    """A function that trains with `fit` and further steps, and returns the result and the log."""

    def run(*steps):
        config, log = configuration(task, *steps)
        training = Training(config, task, log, tmp_path, config.seed)
        return train(training, config.recipe), log

    return run


@pytest.fixture
def fitted(monkeypatch):
    """Records the pseudo-labels, the number of examples and the model of each fit, in order."""
    found, run_step = [], fit.Fit.run

    def run(step, training, before):
        result = run_step(step, training, before)
        _, labels = training.pseudo_labelled or (None, None)
        found.append((labels, len(training.examples("train")), result.model))
        return result

    monkeypatch.setattr(fit.Fit, "run", run)
    return found


def test_a_student_learns_from_pseudo_labels(trainer, fitted):
    trained, log = trainer(PseudoLabel(rounds=2))
    (none, first, second), counts, _ = zip(*fitted, strict=True)
    assert none is None
    assert counts == (len(TEXTS), len(TEXTS) + len(MORE), len(TEXTS) + len(MORE))
    assert first.shape == second.shape == (len(MORE), 2)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    assert not np.array_equal(first, second)
    assert log.epochs == list(range(1, 25))
    assert len(log.history["val/loss"]) == 24
    best = trained.best["epoch"]
    assert 17 <= best <= 24
    assert trained.best["val/accuracy"] == log.history["val/accuracy"][best - 1] == 1
    assert log.done[-1]["completed"] == log.done[-1]["total"] == 24
    # No labelled text has these words.
    grand, dreary = trained.model.predict(["grand", "dreary"])[:, 1]
    assert grand > dreary + 0.05


def test_unlabelled_texts_have_the_predicted_labels(task):
    run, _ = configuration(task)
    model = task.build(run)
    labels = np.random.default_rng(0).dirichlet([1, 1], len(MORE)).astype("float32")
    examples = task.with_pseudo_labelled("train", (MORE, labels))
    pairs = {}
    for inputs, targets in task.batches(model, examples, run).dataset:
        for ids, target in zip(inputs["token_ids"].numpy(), targets.numpy(), strict=True):
            pairs.setdefault(tuple(ids[ids > 0]), []).append(tuple(target))
    assert sum(map(len, pairs.values())) == len(TEXTS) + len(MORE)
    ids = lambda text: tuple(model.preprocessor([text])["token_ids"][0])
    assert set(pairs[ids("a fine film")]) == {(0, 1)}
    assert sorted(pairs[ids(MORE[0])]) == sorted(map(tuple, labels[0::4]))


def test_an_ensemble_with_ngrams_is_the_teacher(trainer, fitted):
    trained, log = trainer(Ensemble(members=2, ngrams=NgramKeys(order=3)), PseudoLabel())
    *recurrent, phrases = trained.model.members
    assert [type(member) for member in recurrent] == [models.TextClassifier] * 2
    assert type(phrases) is models.NgramClassifier
    (_, _, one), (_, _, other), (labels, _, _), _ = fitted
    of_phrases = phrases.predict(one.preprocessor(MORE), verbose=0)
    mean = np.mean([one.predict(MORE), other.predict(MORE), of_phrases], axis=0)
    np.testing.assert_allclose(labels, mean, rtol=1e-4)
    assert trained.best["val/accuracy"] == 1
    assert log.seconds > sum(log._epoch_seconds)


def test_a_single_student_learns_from_an_ensemble(trainer, fitted):
    phrases = Ensemble(ngrams=NgramKeys(order=3))
    trained, log = trainer(phrases, PseudoLabel(single=True))
    assert type(trained.model) is models.TextClassifier
    (_, _, member), (labels, _, student) = fitted
    assert trained.model is student
    assert np.abs(labels - member.predict(MORE)).max() > 1e-3  # those of the ensemble
    assert log.done[-1]["completed"] == log.done[-1]["total"] == 16


def test_a_student_learns_from_sentences_of_longer_texts_too(task, trainer, fitted):
    longer = ["what a fine and grand film. yes"] * 3
    task.unlabelled = lambda: [*MORE, *longer]
    trainer(PseudoLabel(sentences=1))
    _, (labels, count, _) = fitted
    assert len(labels) == len(MORE) + 2 * len(longer)  # the sentences of the others are too short
    assert count == len(TEXTS) + len(labels)
    reviews = ["It is not bad. I liked it a lot!<br /><br />Well, go and see it now. Yes."] * 40
    drawn = pseudo_label.sentences_of(reviews, 2, seed=0)
    assert drawn == pseudo_label.sentences_of(reviews, 2, seed=0)
    assert set(drawn) == {"It is not bad.", "I liked it a lot!", "Well, go and see it now."}
    assert len(drawn) == 80
    assert all(one != other for one, other in zip(drawn[::2], drawn[1::2], strict=True))


def test_without_the_step_unlabelled_texts_are_not_read(task, trainer):
    read = task.read
    task.read = lambda split: {"train": read, "validation": read}[split](split)
    trained, log = trainer()
    assert type(trained.model) is models.TextClassifier
    assert log.examples_per_second > 0
