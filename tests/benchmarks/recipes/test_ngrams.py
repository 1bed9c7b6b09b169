"""The auxiliary n-gram model: what it learns, and which n-grams it keeps."""

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


def test_longer_ngrams_separate_texts_with_the_same_words(preprocessor):
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


def test_a_class_without_texts_is_never_predicted(preprocessor):
    names = ["bad", "good", "neither"]
    model = ngrams.fit(preprocessor(TEXTS), np.array([1, 0] * 20), names, preprocessor, 2, 999)
    answers = model.predict(TEXTS)
    assert (answers.argmax(axis=1) == [1, 0] * 20).all()
    assert answers[:, 2].max() < 0.01
    model = ngrams.fit(preprocessor(TEXTS), np.zeros(40, int), ["bad", "good"], preprocessor, 2, 9)
    assert model.predict(TEXTS)[:, 0].min() > 0.99


def test_the_most_informative_ngrams_are_kept(preprocessor):
    names = ["bad", "good"]
    labels = np.array([1, 0] * 20)
    inputs = preprocessor(TEXTS)
    model = ngrams.fit(inputs, labels, names, preprocessor, 1, 4)
    assert model.backbone.count == 4
    assert (model.predict(TEXTS).argmax(axis=1) == labels).all()


def test_ngrams_of_a_single_text_are_dropped(preprocessor):
    texts, labels = [*TEXTS, "day film"], np.array([1, 0] * 20 + [1])
    model = ngrams.fit(preprocessor(texts), labels, ["bad", "good"], preprocessor, 2, 999)
    (keys, *_) = model.backbone.scores.get_weights()
    of_text = lambda text: set(np.asarray(hashes(**preprocessor([text]), order=2)).ravel())
    assert of_text("a fine film") <= set(keys)
    assert len(of_text("day film") - set(keys)) == 1
