"""Self-training: what is labelled by whom, and who learns from it; and the companion of n-grams."""

import types

import keras
import numpy as np
import pytest

from benchmarks import config, runner, tracking
from benchmarks.tasks import TASKS, ngrams
from zoo import models
from zoo.models.ngram_classifier.ngram_backbone import hashes

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


@pytest.fixture
def logged(monkeypatch):
    metrics, epochs = {}, []
    monkeypatch.setattr(tracking, "log_metrics", metrics.update)
    monkeypatch.setattr(tracking, "log_epoch", lambda values, epoch: epochs.append(epoch))
    return metrics, epochs


def of_suite(self_training=0, members=1, **model):
    (run,) = config.load("standard", tasks=["sentiment"], chosen=["gru"], seeds=1)
    small = {"vocabulary_size": 60, "embedding_dim": 8, "units": 8, "embedding_window": 0}
    of_text = {"epochs": 4, "batch_size": 8, "learning_rate": 0.02}
    training = {**of_text, "self_training": self_training, "members": members}
    return run.model_copy(
        update={
            "model": run.model.model_copy(update={**small, **model}),
            "training": run.training.model_copy(update=training),
        }
    )


def test_a_model_learns_from_what_it_says_of_unlabelled_texts(task, logged, monkeypatch):
    given, fit = [], runner.fit

    def watched(model, task, config, log, labels):
        best_epoch = fit(model, task, config, log, labels)
        given.append((labels, log.examples))
        return best_epoch

    monkeypatch.setattr(runner, "fit", watched)
    done = []
    model, history = runner.train(
        task, of_suite(self_training=2), lambda **progress: done.append(progress)
    )
    metrics, epochs = logged
    (none, first, second), counts = zip(*given, strict=True)
    assert none is None
    assert counts == (len(TEXTS), len(TEXTS) + len(MORE), len(TEXTS) + len(MORE))
    assert first.shape == second.shape == (len(MORE), 2)
    np.testing.assert_allclose(first.sum(axis=1), 1, rtol=1e-5)
    assert not np.array_equal(first, second)
    assert epochs == list(range(1, 13))
    assert len(history["val/loss"]) == 12
    assert 9 <= metrics["best/epoch"] <= 12
    assert metrics["best/val/accuracy"] == history["val/accuracy"][metrics["best/epoch"] - 1] == 1
    assert done[-1]["completed"] == done[-1]["total"] == 12
    # No labelled text has these words.
    assert (model.predict(["grand", "dreary", "grand day"]).argmax(axis=1) == [1, 0, 1]).all()


def test_the_unlabelled_have_the_labels_that_were_given(task):
    run = of_suite(self_training=1)
    model = task.build(run)
    said = np.random.default_rng(0).dirichlet([1, 1], len(MORE)).astype("float32")
    pairs = {}
    for inputs, targets in task.self_training_batches(model, run, said):
        for ids, target in zip(inputs["token_ids"].numpy(), targets.numpy(), strict=True):
            pairs.setdefault(tuple(ids[ids > 0]), []).append(tuple(target))
    assert sum(map(len, pairs.values())) == len(TEXTS) + len(MORE)
    ids = lambda text: tuple(model.preprocessor([text])["token_ids"][0])
    assert set(pairs[ids("a fine film")]) == {(0, 1)}
    assert sorted(pairs[ids(MORE[0])]) == sorted(map(tuple, said[0::4]))


def test_members_and_n_grams_teach_together(task, logged, monkeypatch):
    given, fit = [], runner.fit
    monkeypatch.setattr(runner, "fit", lambda *all: (given.append((all[0], all[-1])), fit(*all))[1])
    run = of_suite(self_training=1, members=2, ngram_order=3)
    model, _ = runner.train(task, run, lambda **progress: None)
    kinds = [type(member) for member in model.backbone.members]
    assert kinds == [models.TextClassifier, models.TextClassifier, models.NgramClassifier]
    (one, _), (other, _), (_, labels), _ = given
    (phrases,), seconds = task.companions(run)
    mean = np.mean([member.predict(MORE) for member in (one, other, phrases)], axis=0)
    np.testing.assert_allclose(labels, mean, rtol=1e-4)
    assert logged[0]["best/val/accuracy"] == 1
    assert 0 < seconds < logged[0]["train_seconds"]


def test_without_it_nothing_is_asked_of_unlabelled_texts(task, logged):
    read = task.read
    task.read = lambda split: {"train": read, "validation": read}[split](split)
    model, _ = runner.train(task, of_suite(), lambda **progress: None)
    assert isinstance(model, models.TextClassifier)
    assert logged[0]["examples_per_second"] > 0


@pytest.fixture(scope="module")
def preprocessor():
    tokenizer = models.SubwordTokenizer.train([*TEXTS, *MORE], 60)
    return models.TextClassifierPreprocessor(tokenizer)


def test_pairs_of_words_are_told_where_single_ones_are_not(preprocessor):
    texts = ["fine day dull film", "dull day fine film", "a day"] * 10
    labels = np.array([0, 1, 2] * 10)
    names = ["film", "day", "none"]
    order = {}
    for longest in (1, 4):
        keras.utils.set_random_seed(0)
        model = ngrams.fit(preprocessor(texts), labels, names, preprocessor, longest, 500)
        order[longest] = (model.predict(texts).argmax(axis=1) == labels).mean()
    assert order[1] < 0.7
    assert order[4] == 1


def test_a_class_without_texts_is_never_named(preprocessor):
    names = ["bad", "good", "neither"]
    model = ngrams.fit(preprocessor(TEXTS), np.array([1, 0] * 20), names, preprocessor, 2, 999)
    answers = model.predict(TEXTS)
    assert (answers.argmax(axis=1) == [1, 0] * 20).all()
    assert answers[:, 2].max() < 0.01
    model = ngrams.fit(preprocessor(TEXTS), np.zeros(40, int), ["bad", "good"], preprocessor, 2, 9)
    assert model.predict(TEXTS)[:, 0].min() > 0.99


def test_those_are_kept_that_tell_most(preprocessor):
    names = ["bad", "good"]
    labels = np.array([1, 0] * 20)
    inputs = preprocessor(TEXTS)
    model = ngrams.fit(inputs, labels, names, preprocessor, 1, 4)
    assert model.backbone.count == 4
    assert (model.predict(TEXTS).argmax(axis=1) == labels).all()


def test_what_stands_in_one_text_alone_is_not_known(preprocessor):
    texts, labels = [*TEXTS, "day film"], np.array([1, 0] * 20 + [1])
    model = ngrams.fit(preprocessor(texts), labels, ["bad", "good"], preprocessor, 2, 999)
    (keys, *_) = model.backbone.scores.get_weights()
    of_text = lambda text: set(np.asarray(hashes(**preprocessor([text]), order=2)).ravel())
    assert of_text("a fine film") <= set(keys)
    assert len(of_text("day film") - set(keys)) == 1
