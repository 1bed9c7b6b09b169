"""The text classifier: learning, token dropout, unusual texts, and KerasHub's own loading."""

import keras
import keras_hub
import numpy as np
import pytest
from examples import text_classifier

from zoo import models


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return text_classifier.build()


def test_probabilities_are_float32_and_sum_to_one(model):
    probabilities = model.predict(text_classifier.INPUTS)
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (4, 2))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert model.predict([]).shape == (0, 2)


def test_an_answer_is_the_likeliest_label_with_all_probabilities(model):
    probabilities = model.predict(text_classifier.INPUTS)
    for answer, row in zip(model.answers(text_classifier.INPUTS), probabilities, strict=True):
        assert answer["label"] == ["bad", "good"][row.argmax()]
        assert list(answer["probabilities"].values()) == row.tolist()
        assert model.answer_text(answer) == f"{answer['label']} ({row.max():.3f})"


def test_word_order_is_learned(model):
    """Two texts of the same words in different order get different labels."""
    model.compile(optimizer=keras.optimizers.Adam(0.03))
    texts, labels = ["dull great", "great dull"] * 16, np.array([0, 1] * 16)
    model.fit(texts, labels, epochs=30, verbose=0)
    np.testing.assert_array_equal(model.predict(texts[:2]).argmax(axis=1), labels[:2])


def test_token_dropout_drops_whole_subwords_in_training():
    backbone = models.TextBackbone(10, "gru", embedding_dim=8, units=6, token_dropout=0.5)
    layer = backbone.get_layer("token_dropout")
    vectors = np.ones((4, 50, 8), "float32")
    kept = np.asarray(layer(vectors, training=True)) != 0
    assert (kept.all(axis=2) | ~kept.any(axis=2)).all()
    assert 0.35 < kept.mean() < 0.65
    np.testing.assert_array_equal(layer(vectors, training=False), vectors)


def test_empty_long_and_foreign_texts_are_classified(model):
    texts = ["", " ", "film " * 5000, "日本 🎬"]
    assert np.isfinite(model.predict(texts)).all()


def test_one_function_predicts_texts_of_all_lengths(model):
    for length in range(1, 10):
        model.predict(["film " * length] * length)
    assert model.predict_function.experimental_get_tracing_count() == 1


def test_keras_hub_loads_a_preset(model, tmp_path):
    model.save_to_preset(str(tmp_path))
    loaded = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    assert type(loaded) is models.TextClassifier
    assert loaded.labels == ["bad", "good"]


def test_an_unknown_architecture_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'lstm'"):
        models.TextBackbone(10, "lstmm")
