"""The subword tokenizer: packing inside and outside tf.data, and round trips."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.models import SubwordTokenizer
from zoo.models.tokenizer import VocabularyError

TEXTS = ["turn on the light", "turn off the heating", "the light is on"] * 5


@pytest.fixture(scope="module")
def tokenizer():
    return SubwordTokenizer.train(TEXTS, 300, byte_fallback=True)


def test_special_tokens_have_the_documented_ids(tokenizer):
    ids = (tokenizer.pad_token_id, tokenizer.start_token_id, tokenizer.end_token_id)
    assert ids == (0, 2, 3)


@pytest.mark.parametrize(
    "options",
    [{}, {"start": True, "end": True}, {"end": True, "max_length": 4}, {"normalize": True}],
)
def test_packing_in_a_pipeline_equals_packing_outside(tokenizer, options):
    texts = ["turn on", "", "the heating is on the\u00a0light"]
    token_ids, mask = tokenizer.pack(texts, **options)
    dataset = tf.data.Dataset.from_tensors(texts).map(lambda x: tokenizer.pack(x, **options))
    for expected, got in zip((token_ids, mask), next(iter(dataset)), strict=True):
        np.testing.assert_array_equal(got, expected)
    assert token_ids.dtype == np.int32
    assert (token_ids[~mask] == 0).all()


def test_seeding_does_not_break_pipelines(tokenizer):
    dataset = tf.data.Dataset.from_tensors(["turn on"]).map(tokenizer.pack)
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(next(iter(dataset))[0], tokenizer.pack(["turn on"])[0])


def test_max_length_includes_start_and_end(tokenizer):
    token_ids, _ = tokenizer.pack(["the light is on"], start=True, end=True, max_length=4)
    assert token_ids.shape == (1, 4)
    assert (token_ids[0, 0], token_ids[0, -1]) == (2, 3)


def test_byte_fallback_keeps_unseen_characters(tokenizer):
    text = "öffne 日本 🎬"
    assert tokenizer.detokenize(tokenizer([text]))[0] == text


def test_the_same_texts_give_the_same_vocabulary():
    first = SubwordTokenizer.train(TEXTS, 60)
    second = SubwordTokenizer.train(TEXTS, 60)
    assert first.get_vocabulary() == second.get_vocabulary()


def test_lowercase_folds_case():
    tokenizer = SubwordTokenizer.train(TEXTS, 60, lowercase=True)
    np.testing.assert_array_equal(
        tokenizer.pack(["The LIGHT"])[0], tokenizer.pack(["the light"])[0]
    )


@pytest.mark.parametrize(("texts", "size"), [(["a fine film"], 4), ([], 100)])
def test_an_impossible_vocabulary_is_refused(texts, size):
    with pytest.raises(VocabularyError, match=f"vocabulary_size={size}"):
        SubwordTokenizer.train(texts, size)


@pytest.mark.parametrize("text", ["a fine cafe\u0301", "\ufeffa fine café", "a\u00a0ﬁne café"])
def test_normalized_texts_that_look_the_same_have_the_same_ids(text):
    tokenizer = SubwordTokenizer.train(["a fine café"], 280, byte_fallback=True)
    (plain,), (normal,) = (tokenizer.pack([one])[0] for one in (text, "a fine café"))
    assert plain.tolist() != normal.tolist()
    (normalized,), _ = tokenizer.pack([text], normalize=True)
    assert normalized.tolist() == normal.tolist()
