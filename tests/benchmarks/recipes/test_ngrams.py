"""The auxiliary model of n-grams: what it learns, and which n-grams it knows."""

import keras
import numpy as np
import pytest

from benchmarks.recipes import ngrams
from zoo import models
from zoo.models.ngram_classifier.ngram_backbone import hashes

TEXTS = ["a fine film", "a dull film", "what a fine day", "what a dull day"] * 10
MORE = ["fine and grand", "dull and dreary", "grand and fine", "dreary and dull"] * 15


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
