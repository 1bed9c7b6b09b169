"""The translator: unusual texts, and KerasHub's own loading."""

import keras_hub
import numpy as np
import pytest
from examples import translator

from zoo import models


def test_empty_long_and_foreign_texts_are_translated():
    outputs = translator.build().generate(["", " ", "film " * 5000, "日本 🎬"], max_length=5)
    assert [type(output) for output in outputs] == [str] * 4


def test_sources_that_look_the_same_are_read_the_same():
    preprocess = translator.build().preprocessor.generate_preprocess
    for text in ("fi\u00a0ne", "\ufefffi ne", "ﬁ ne"):
        expected = preprocess(["fi ne"])["encoder_token_ids"]
        np.testing.assert_array_equal(preprocess([text])["encoder_token_ids"], expected)


def test_an_empty_text_alone_is_translated_without_a_warning():
    model = translator.build()
    (output,) = model.generate([""], max_length=3)  # a warning would be an error
    weights, source, target = model.attention("", output)
    assert source == ["</s>"]
    assert weights.shape == (len(target), 1)
    np.testing.assert_allclose(weights, 1)


def test_a_translation_is_one_line_of_text():
    assert translator.build().answer_text({"output": "two\nlines"}) == "two lines"


def test_keras_hub_loads_a_preset(tmp_path):
    translator.build().save_to_preset(str(tmp_path))
    loaded = keras_hub.models.Seq2SeqLM.from_preset(str(tmp_path))
    assert type(loaded) is models.Translator


def test_an_unknown_attention_is_refused():
    with pytest.raises(ValueError, match="attention='dot'"):
        models.TranslatorBackbone(10, "gru", attention="dot")
