"""The n-gram classifier: scores, hashes, and ensembles with a recurrent model."""

import numpy as np
import pytest

import zoo
from zoo import models
from zoo.models.ngram_classifier.ngram_backbone import hashes

TEXTS = ["a fine film", "a dull film, really", "fine, fine, fine", ""]


def pad(*rows):
    width = max(map(len, rows))
    token_ids = np.array([[*row, *[0] * (width - len(row))] for row in rows], "int32")
    return token_ids, token_ids > 0


def hashes_of(row, order):
    return set(np.asarray(hashes(*pad(row), order)).ravel().tolist()) - {0}


def reference(scores, order, row):
    """The sum of scores, looked up in a dictionary from n-grams."""
    known = {row[i : i + n] for n in range(1, order + 1) for i in range(len(row) - n + 1)}
    return sum(scores.get(ngram, 0.0) for ngram in known)


def backbone(scores, order):
    """A backbone that knows these n-grams, for two classes."""
    keys = {
        next(iter(hashes_of(gram, len(gram)) - hashes_of_shorter(gram))): gram for gram in scores
    }
    model = models.NgramBackbone(len(keys), 2, order)
    values = [[0.0, scores[keys[key]]] for key in sorted(keys)]
    model.scores.set_weights(
        [np.array(sorted(keys), "int32"), np.array(values), np.array([0.5, 1.0])]
    )
    return model


def hashes_of_shorter(gram):
    """Hashes of all n-grams in it but itself."""
    parts = [gram[i : i + n] for n in range(1, len(gram)) for i in range(len(gram) - n + 1)]
    return set().union(*(hashes_of(part, len(part)) for part in parts), set())


@pytest.mark.parametrize("order", [1, 2, 4])
def test_each_known_n_gram_counts_once(order):
    generator = np.random.default_rng(0)
    rows = [tuple(generator.integers(1, 5, length)) for length in (1, 2, 3, 9, 40)]
    grams = {
        row[i : i + n] for row in rows[:4] for n in range(1, 5) for i in range(len(row) - n + 1)
    }
    scores = {tuple(map(int, gram)): float(generator.normal()) for gram in grams}
    model = backbone(scores, order)
    token_ids, padding_mask = pad(*rows)
    outputs = np.asarray(model({"token_ids": token_ids, "padding_mask": padding_mask}))
    expected = [reference(scores, order, tuple(map(int, row))) for row in rows]
    np.testing.assert_allclose(outputs[:, 1], np.array(expected) + 1, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs[:, 0], 0.5)


def test_hashes_of_different_n_grams_rarely_collide():
    grams = np.random.default_rng(0).integers(1, 30_000, (50_000, 3)).astype("int32")
    found = np.asarray(hashes(grams, grams > 0, 3)).reshape(-1, 3, 3)
    different = len(np.unique(grams, axis=0)) + len(np.unique(grams[:, 1:], axis=0))
    different += len(np.unique(grams[:, 2]))
    assert len(np.unique(found[:, :, 2])) > different - 10


@pytest.fixture
def classifier():
    tokenizer = models.SubwordTokenizer.train(TEXTS * 5, 40)
    model = backbone({(5,): 1.0, (6, 7): -2.0, (3,): 0.25}, 3)
    return models.NgramClassifier(
        model, ["bad", "good"], models.TextClassifierPreprocessor(tokenizer)
    )


def test_a_preset_predicts_the_same(classifier, tmp_path):
    probabilities = classifier.predict(TEXTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    classifier.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    assert type(loaded) is models.NgramClassifier
    np.testing.assert_array_equal(loaded.predict(TEXTS), probabilities)


def test_an_ensemble_with_a_recurrent_model_predicts_the_mean(classifier, tmp_path):
    preprocessor = classifier.preprocessor
    size = preprocessor.tokenizer.vocabulary_size()
    recurrent = models.TextClassifier(
        models.TextBackbone(size, "gru", 8, 6), ["bad", "good"], preprocessor
    )
    model = models.ensemble([recurrent, classifier])
    assert type(model) is models.TextEnsemble
    mean = (recurrent.predict(TEXTS) + classifier.predict(TEXTS)) / 2
    np.testing.assert_allclose(model.predict(TEXTS), mean, rtol=1e-5)
    assert [gates.layer for gates in zoo.gates(model, "a fine film")] == ["encoder_0 of member 0"]
    model.save_to_preset(str(tmp_path))
    np.testing.assert_allclose(
        zoo.load(str(tmp_path), verify=False).predict(TEXTS), mean, rtol=1e-5
    )
