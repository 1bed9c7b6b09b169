"""Texts, and a tokenizer of them, for the tests of models of text."""

import functools

from zoo import models

TEXTS = ["a fine film", "a dull film, really", "what a waste of time", "great fun for all"]


@functools.cache
def tokenizer():
    return models.SubwordTokenizer.train(TEXTS * 5, 60)
