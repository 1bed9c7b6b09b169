"""Ensembles: what their members say, averaged, saved and loaded as one model."""

import keras
import keras_hub
import numpy as np
import pytest

import zoo
from zoo import models

TEXTS = ["a fine film", "a dull film, really", "what a waste of time", "great fun for all"]


@pytest.fixture(scope="module")
def tokenizer():
    return models.SubwordTokenizer.train(TEXTS * 5, 60)


def text_members(tokenizer):
    """Two of different architectures and sizes, and as a benchmark leaves them: trained."""
    keras.utils.set_random_seed(0)
    members = []
    for architecture, units in (("bigru", 6), ("rnn", 5)):
        backbone = models.TextBackbone(tokenizer.vocabulary_size(), architecture, 8, units)
        preprocessor = models.TextClassifierPreprocessor(tokenizer)
        member = models.TextClassifier(backbone, ["bad", "good"], preprocessor)
        member.compile()
        member.fit(TEXTS, np.array([0, 1, 0, 1]), verbose=0)
        members.append(member)
    return members


def audio_members():
    keras.utils.set_random_seed(0)
    members = []
    for _ in range(3):
        backbone = models.AudioBackbone("gru", features="mfcc", feature_dim=5, units=6)
        backbone.adapt(WAVES)
        preprocessor = models.AudioClassifierPreprocessor()
        members.append(models.AudioClassifier(backbone, ["low", "high"], preprocessor))
    return members


def translators(tokenizer):
    keras.utils.set_random_seed(0)
    members = []
    for architecture, attention in (("lstm", "luong"), ("gru", "bahdanau")):
        backbone = models.TranslatorBackbone(
            tokenizer.vocabulary_size(), architecture, 8, 6, attention=attention
        )
        preprocessor = models.TranslatorPreprocessor(tokenizer)
        member = models.Translator(backbone, preprocessor, beam_width=3)
        # As large as those of trained ones, so that they differ in what they say.
        backbone.token_embedding.embeddings.assign(10 * backbone.token_embedding.embeddings)
        members.append(member)
    return members


WAVES = [np.sin(np.arange(n) / 3).astype("float32") for n in (1, 800, 3001)]


@pytest.mark.parametrize("kind", ["text", "audio"])
def test_an_ensemble_says_the_mean_and_comes_back_the_same(kind, tokenizer, tmp_path):
    members = text_members(tokenizer) if kind == "text" else audio_members()
    inputs = TEXTS if kind == "text" else WAVES
    model = models.ensemble(members)
    mean = np.mean([member.predict(inputs) for member in members], axis=0)
    answers = model.predict(inputs)
    assert answers.dtype == np.float32
    np.testing.assert_allclose(answers, mean, rtol=1e-6)
    assert model.count_params() == sum(member.count_params() for member in members)
    assert model.labels == members[0].labels
    model.save_to_preset(str(tmp_path))
    again = zoo.load(str(tmp_path))
    assert type(again) is type(model)
    np.testing.assert_array_equal(again.predict(inputs), answers)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(again.predict(inputs), answers)


def test_an_ensemble_stays_as_it_is_when_its_members_learn(tokenizer):
    members = text_members(tokenizer)
    model = models.ensemble(members)
    before = model.predict(TEXTS)
    members[0].fit(TEXTS, np.array([1, 1, 0, 0]), epochs=3, verbose=0)
    np.testing.assert_array_equal(model.predict(TEXTS), before)


def test_keras_hub_loads_an_ensemble_of_texts(tokenizer, tmp_path):
    model = models.ensemble(text_members(tokenizer))
    model.save_to_preset(str(tmp_path))
    again = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    assert type(again) is models.TextEnsemble
    np.testing.assert_array_equal(again.predict(TEXTS), model.predict(TEXTS))


def test_gates_of_an_ensemble_are_those_of_each_member(tokenizer):
    members = text_members(tokenizer)
    found = zoo.gates(models.ensemble(members), "a fine film")
    assert [gates.layer for gates in found] == [
        "encoder_0 forward of member 0",
        "encoder_0 backward of member 0",
        "encoder_0 of member 1",
    ]
    assert [gates.architecture for gates in found] == ["bigru", "bigru", "rnn"]
    alone = zoo.gates(members[1], "a fine film")
    np.testing.assert_allclose(found[2]["h"], alone[0]["h"], rtol=1e-6)


def test_translators_choose_each_subword_together(tokenizer, tmp_path):
    members = translators(tokenizer)
    model = models.ensemble(members)
    assert model.beam_width == 3
    x, _, _ = model.preprocessor({"encoder_text": TEXTS, "decoder_text": TEXTS[::-1]})
    said = [keras.ops.softmax(member(x)) for member in members]
    np.testing.assert_allclose(np.exp(model(x)), (said[0] + said[1]) / 2, rtol=1e-4, atol=1e-7)
    answers = model.generate(TEXTS, max_length=9)
    assert answers != members[0].generate(TEXTS, max_length=9)
    weights, source, target = model.attention(TEXTS[0], answers[0])
    assert weights.shape == (len(target), len(source))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    model.save_to_preset(str(tmp_path))
    again = zoo.load(str(tmp_path))
    assert type(again) is models.TranslatorEnsemble
    assert again.generate(TEXTS, max_length=9) == answers
    found = zoo.gates(model, TEXTS[0])
    assert {gates.architecture for gates in found} == {"lstm", "gru"}


def test_step_by_step_translators_say_what_they_say_at_once(tokenizer):
    model = models.ensemble(translators(tokenizer))
    inputs = model.preprocessor.generate_preprocess(TEXTS, 9)
    model.compile(sampler=models.BeamSearchSampler(1))
    answers = keras.ops.convert_to_numpy(
        model.generate_step(inputs, [tokenizer.end_token_id])["decoder_token_ids"]
    )
    source = {name: inputs[name] for name in ("encoder_token_ids", "encoder_padding_mask")}
    read = {"decoder_token_ids": answers, "decoder_padding_mask": np.ones_like(answers, bool)}
    expected = np.asarray(model({**source, **read})).argmax(axis=-1)
    for answer, says in zip(answers[:, 1:].tolist(), expected.tolist(), strict=True):
        length = answer.index(tokenizer.end_token_id) + 1 if tokenizer.end_token_id in answer else 8
        assert answer[: min(length, 8)] == says[: min(length, 8)]


def test_an_ensemble_is_asked_for_what_its_members_have():
    model = models.ensemble(audio_members())
    assert model.backbone.sampling_rate == 8000
    assert model.backbone.features == "mfcc"
    assert not hasattr(model.backbone, "normalization")


def test_one_alone_is_no_ensemble(tokenizer):
    (member, _) = text_members(tokenizer)
    assert models.ensemble([member]) is member
    (translator, _) = translators(tokenizer)
    assert models.ensemble([translator]) is translator


def test_members_that_do_not_fit_are_named(tokenizer):
    text, other = text_members(tokenizer)
    with pytest.raises(ValueError, match=r"Received: \['TextClassifier', 'Translator'\]"):
        models.ensemble([text, translators(tokenizer)[0]])
    with pytest.raises(ValueError, match=r"Received: \['TextClassifier', 'AudioClassifier'\]"):
        models.ensemble([text, audio_members()[0]])
    other.labels = ["good", "bad"]
    with pytest.raises(ValueError, match=r"\['bad', 'good'\] and \['good', 'bad'\]"):
        models.ensemble([text, other])
    other.labels = text.labels
    smaller = models.SubwordTokenizer.train(TEXTS[:2] * 5, 40)
    for vocabulary, length in ((smaller, 512), (tokenizer, 100)):
        other.preprocessor = models.TextClassifierPreprocessor(vocabulary, length)
        with pytest.raises(ValueError, match="read alike"):
            models.ensemble([text, other])
    with pytest.raises(ValueError, match=r"Received: \[\]"):
        models.ensemble([])
    with pytest.raises(ValueError, match="two or more members"):
        models.EnsembleBackbone([text])
