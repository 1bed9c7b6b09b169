"""Every task: raw input in, answer out, learning, and presets that come back the same."""

import keras
import keras_hub
import numpy as np
import pytest

from zoo import models
from zoo.layers import architectures

TEXTS = ["a fine film", "a dull film, really", "what a waste of time", "great fun for all"]


@pytest.fixture(scope="module")
def tokenizer():
    return models.SubwordTokenizer.train(TEXTS * 5, 60)


@pytest.fixture(params=["text", "audio", "translator"])
def kind(request):
    return request.param


def build(kind, tokenizer, architecture="gru"):
    keras.utils.set_random_seed(0)
    if kind == "text":
        backbone = models.TextBackbone(
            tokenizer.vocabulary_size(), architecture, embedding_dim=8, units=6
        )
        preprocessor = models.TextClassifierPreprocessor(tokenizer)
        return models.TextClassifier(backbone, ["bad", "good"], preprocessor)
    if kind == "audio":
        backbone = models.AudioBackbone(architecture, feature_dim=3, units=6)
        preprocessor = models.AudioClassifierPreprocessor(feature_dim=3)
        return models.AudioClassifier(backbone, ["low", "high"], preprocessor)
    backbone = models.TranslatorBackbone(
        tokenizer.vocabulary_size(), architecture, embedding_dim=8, units=6
    )
    return models.Translator(backbone, models.TranslatorPreprocessor(tokenizer))


def raw(kind):
    if kind == "audio":
        generator = np.random.default_rng(0)
        return [generator.normal(size=(length, 3)).astype("float32") for length in (5, 1, 9, 4)]
    return TEXTS


def answer(model, inputs):
    if isinstance(model, models.Translator):
        return model.generate(inputs, max_length=6)
    return model.predict(inputs)


@pytest.mark.parametrize("architecture", architectures.names())
def test_gradient_reaches_every_weight(kind, tokenizer, architecture):
    import tensorflow as tf

    model = build(kind, tokenizer, architecture)
    if kind == "translator":
        x, y, weight = model.preprocessor({"encoder_text": TEXTS, "decoder_text": TEXTS[::-1]})
    else:
        x, y, weight = model.preprocessor(raw(kind)), np.array([0, 1, 1, 0]), None
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x), weight)
    weights = model.trainable_variables
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path


def test_answers_do_not_depend_on_the_batch(kind, tokenizer):
    model = build(kind, tokenizer)
    inputs = raw(kind)
    together = answer(model, inputs)
    for one, expected in zip(inputs, together, strict=True):
        alone = answer(model, [one])[0]
        if kind == "translator":
            assert alone == expected
        else:
            np.testing.assert_allclose(alone, expected, atol=1e-6)


def test_preset_answers_as_the_model_did(kind, tokenizer, tmp_path):
    model = build(kind, tokenizer)
    model.save_to_preset(str(tmp_path))
    again = type(model).from_preset(str(tmp_path))
    assert type(again) is type(model)
    np.testing.assert_array_equal(answer(again, raw(kind)), answer(model, raw(kind)))


def test_keras_hub_loads_presets_of_the_zoo(tokenizer, tmp_path):
    build("text", tokenizer).save_to_preset(str(tmp_path))
    model = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    assert type(model) is models.TextClassifier
    assert model.labels == ["bad", "good"]
    build("translator", tokenizer).save_to_preset(str(tmp_path / "translator"))
    model = keras_hub.models.Seq2SeqLM.from_preset(str(tmp_path / "translator"))
    assert type(model) is models.Translator


def test_classifiers_give_float32_probabilities(tokenizer):
    for kind in ("text", "audio"):
        probabilities = build(kind, tokenizer).predict(raw(kind))
        assert probabilities.dtype == np.float32
        assert probabilities.shape == (4, 2)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert build(kind, tokenizer).predict([]).shape == (0, 2)


def test_text_classifier_learns_order(tokenizer):
    """Two texts of the same words in another order get other labels."""
    model = build("text", tokenizer)
    model.compile(optimizer=keras.optimizers.Adam(0.03))
    texts, labels = ["dull great", "great dull"] * 16, np.array([0, 1] * 16)
    model.fit(texts, labels, epochs=30, verbose=0)
    np.testing.assert_array_equal(model.predict(texts[:2]).argmax(axis=1), labels[:2])


def test_token_dropout_drops_whole_subwords_while_training(tokenizer):
    backbone = models.TextBackbone(
        tokenizer.vocabulary_size(), "gru", embedding_dim=8, units=6, token_dropout=0.5
    )
    layer = backbone.get_layer("token_dropout")
    vectors = np.ones((4, 50, 8), "float32")
    kept = np.asarray(layer(vectors, training=True)) != 0
    assert (kept.all(axis=2) | ~kept.any(axis=2)).all()
    assert 0.35 < kept.mean() < 0.65
    np.testing.assert_array_equal(layer(vectors, training=False), vectors)


def test_empty_and_long_texts_are_answered(tokenizer):
    texts = ["", " ", "film " * 5000, "日本 🎬"]
    assert np.isfinite(build("text", tokenizer).predict(texts)).all()
    answers = build("translator", tokenizer).generate(texts, max_length=5)
    assert [type(answer) for answer in answers] == [str] * 4


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        (np.zeros((0, 3)), "at least one sample"),
        (np.zeros((4, 2)), r"shape \[frames, 3\]. Received: shape=\(4, 2\)"),
        (np.full((4, 3), np.nan), "must be finite"),
    ],
)
def test_bad_clips_are_named(tokenizer, clip, message):
    with pytest.raises(ValueError, match=message):
        build("audio", tokenizer).predict([np.ones((2, 3)), clip])


def test_samples_that_are_integers_are_refused():
    backbone = models.AudioBackbone("gru", features="mfcc", feature_dim=13, units=6)
    model = models.AudioClassifier(backbone, list("abc"), models.AudioClassifierPreprocessor())
    with pytest.raises(ValueError, match=r"16 bits by 32768\. Received: dtype=int16"):
        model.predict([np.ones(400, "int16")])
    model.predict([[0, 0, 0]])  # silence is that in any type


@pytest.mark.parametrize("features", ["log_mel", "mfcc"])
def test_waveforms_are_classified_whatever_their_padding(features):
    keras.utils.set_random_seed(0)
    backbone = models.AudioBackbone("gru", features=features, feature_dim=13, units=6)
    model = models.AudioClassifier(backbone, list("abc"), models.AudioClassifierPreprocessor())
    waves = [np.sin(np.arange(n) / 3).astype("float32") for n in (1, 800, 3001)]
    together = model.predict(waves)
    for wave, expected in zip(waves, together, strict=True):
        np.testing.assert_allclose(model.predict([wave])[0], expected, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"mean_normalization": 0.5, "deltas": True}])
def test_features_are_normalised_by_all_frames_of_all_clips(options):
    backbone = models.AudioBackbone("gru", features="log_mel", feature_dim=5, **options)
    rng = np.random.default_rng(0)
    clips = [rng.normal(size=rng.integers(1, 900)).astype("float32") for _ in range(70)]
    backbone.adapt(clips)
    alone = [backbone.front_end(clip[None], np.ones((1, len(clip)), bool)) for clip in clips]
    frames = np.concatenate([np.asarray(features)[np.asarray(mask)] for features, mask in alone])
    normalization = backbone.normalization
    np.testing.assert_allclose(np.ravel(normalization.mean), frames.mean(0), atol=1e-4)
    np.testing.assert_allclose(np.ravel(normalization.variance), frames.var(0), rtol=1e-3)


def test_unknown_choices_are_named(tokenizer):
    with pytest.raises(ValueError, match="attention='dot'"):
        models.TranslatorBackbone(10, "gru", attention="dot")
    with pytest.raises(ValueError, match="features='mel'"):
        models.AudioBackbone("gru", features="mel")
    with pytest.raises(ValueError, match="Did you mean 'lstm'"):
        models.TextBackbone(10, "lstmm")
