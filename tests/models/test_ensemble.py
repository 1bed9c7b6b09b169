"""Ensembles: the mean of their members' probabilities, saved and loaded as one model."""

import keras
import keras_hub
import numpy as np
import pytest
from examples import audio_classifier_of_frames, audio_classifier_of_waveforms, language_model
from texts import TEXTS, tokenizer

import zoo
from zoo import models

WAVEFORMS = audio_classifier_of_waveforms.INPUTS


def text_members():
    """Trained, and of different architectures and sizes."""
    keras.utils.set_random_seed(0)
    members = []
    for architecture, units in (("bigru", 6), ("rnn", 5)):
        backbone = models.TextBackbone(tokenizer().vocabulary_size(), architecture, 8, units)
        preprocessor = models.TextClassifierPreprocessor(tokenizer())
        member = models.TextClassifier(backbone, ["bad", "good"], preprocessor)
        member.compile()
        member.fit(TEXTS, np.array([0, 1, 0, 1]), verbose=0)
        members.append(member)
    return members


def audio_members():
    keras.utils.set_random_seed(0)
    return [audio_classifier_of_waveforms.build() for _ in range(3)]


def translators():
    keras.utils.set_random_seed(0)
    members = []
    for architecture, attention in (("lstm", "luong"), ("gru", "bahdanau")):
        backbone = models.TranslatorBackbone(
            tokenizer().vocabulary_size(), architecture, 8, 6, attention=attention
        )
        preprocessor = models.TranslatorPreprocessor(tokenizer())
        member = models.Translator(backbone, preprocessor, beam_width=3)
        # As large as in trained translators, so that the members disagree.
        backbone.token_embedding.embeddings.assign(10 * backbone.token_embedding.embeddings)
        members.append(member)
    return members


@pytest.mark.parametrize(
    ("make_members", "inputs"), [(text_members, TEXTS), (audio_members, WAVEFORMS)]
)
def test_an_ensemble_predicts_the_mean_and_is_loaded_as_saved(make_members, inputs, tmp_path):
    members = make_members()
    model = models.ensemble(members)
    mean = np.mean([member.predict(inputs) for member in members], axis=0)
    probabilities = model.predict(inputs)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, mean, rtol=1e-6)
    assert model.count_params() == sum(member.count_params() for member in members)
    assert model.labels == members[0].labels
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict(inputs), probabilities)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded.predict(inputs), probabilities)


def test_training_a_member_leaves_the_ensemble_unchanged():
    members = text_members()
    model = models.ensemble(members)
    before = model.predict(TEXTS)
    members[0].fit(TEXTS, np.array([1, 1, 0, 0]), epochs=3, verbose=0)
    np.testing.assert_array_equal(model.predict(TEXTS), before)


def test_keras_hub_loads_an_ensemble_of_text_classifiers(tmp_path):
    model = models.ensemble(text_members())
    model.save_to_preset(str(tmp_path))
    loaded = keras_hub.models.TextClassifier.from_preset(str(tmp_path))
    assert type(loaded) is models.TextEnsemble
    np.testing.assert_array_equal(loaded.predict(TEXTS), model.predict(TEXTS))


def test_gates_of_an_ensemble_are_those_of_each_member():
    members = text_members()
    found = zoo.gates(models.ensemble(members), "a fine film")
    assert [gates.layer for gates in found] == [
        "encoder_0 forward of member 0",
        "encoder_0 backward of member 0",
        "encoder_0 of member 1",
    ]
    assert [gates.architecture for gates in found] == ["bigru", "bigru", "rnn"]
    alone = zoo.gates(members[1], "a fine film")
    np.testing.assert_allclose(found[2]["h"], alone[0]["h"], rtol=1e-6)


def test_translators_choose_each_subword_together(tmp_path):
    members = translators()
    model = models.ensemble(members)
    assert model.beam_width == 3
    x, _, _ = model.preprocessor({"encoder_text": TEXTS, "decoder_text": TEXTS[::-1]})
    probabilities = [keras.ops.softmax(member(x)) for member in members]
    mean = (probabilities[0] + probabilities[1]) / 2
    np.testing.assert_allclose(np.exp(model(x)), mean, rtol=1e-4, atol=1e-7)
    outputs = model.generate(TEXTS, max_length=9)
    assert outputs != members[0].generate(TEXTS, max_length=9)
    weights, source, target = model.attention(TEXTS[0], outputs[0])
    assert weights.shape == (len(target), len(source))
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    assert type(loaded) is models.TranslatorEnsemble
    assert loaded.generate(TEXTS, max_length=9) == outputs
    found = zoo.gates(model, TEXTS[0])
    assert {gates.architecture for gates in found} == {"lstm", "gru"}


def test_step_by_step_decoding_agrees_with_teacher_forcing():
    model = models.ensemble(translators())
    end = tokenizer().end_token_id
    inputs = model.preprocessor.generate_preprocess(TEXTS, 9)
    model.compile(sampler=models.BeamSearchSampler(1))
    outputs = keras.ops.convert_to_numpy(model.generate_step(inputs, [end])["decoder_token_ids"])
    source = {name: inputs[name] for name in ("encoder_token_ids", "encoder_padding_mask")}
    target = {"decoder_token_ids": outputs, "decoder_padding_mask": np.ones_like(outputs, bool)}
    expected = np.asarray(model({**source, **target})).argmax(axis=-1)
    for output, likeliest in zip(outputs[:, 1:].tolist(), expected.tolist(), strict=True):
        # The limit of the length forces the ninth subword.
        length = min(output.index(end) + 1 if end in output else 8, 8)
        assert output[:length] == likeliest[:length]


def test_language_models_choose_each_token_together(tmp_path):
    keras.utils.set_random_seed(0)
    members = []
    for architecture in ("lstm", "rnn"):
        keras.utils.clear_session()  # so that they have the same names, as loaded models do
        members.append(language_model.build(architecture))
    for member in members:  # so that they disagree
        embedding = member.backbone.token_embedding
        embedding.set_weights([8 * weight for weight in embedding.get_weights()])
    model = models.ensemble(members)
    assert type(model) is models.LanguageModelEnsemble
    scores = model.score(TEXTS)
    of_members = zip(*(member.score(TEXTS) for member in members), strict=True)
    for row, (one, other) in zip(scores, of_members, strict=True):
        mean = (np.exp(one) + np.exp(other)) / 2
        np.testing.assert_allclose(np.exp(row), mean, rtol=1e-4, atol=1e-12)
    stream = zoo.stream(model)
    pieces = [stream.read(TEXTS[0][:9]), stream.read(TEXTS[0][9:], is_last=True)]
    np.testing.assert_allclose(np.concatenate(pieces), scores[0], atol=1e-5)
    outputs = model.generate(TEXTS, max_length=30, sampler="greedy")
    assert outputs != members[0].generate(TEXTS, max_length=30, sampler="greedy")
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    assert type(loaded) is models.LanguageModelEnsemble
    assert loaded.generate(TEXTS, max_length=30, sampler="greedy") == outputs
    assert {gates.architecture for gates in zoo.gates(model, TEXTS[0])} == {"lstm", "rnn"}


def test_language_models_of_mixed_precision_are_averaged():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        members = [language_model.build("lstm"), language_model.build("gru")]
        scores = models.ensemble(members).score(TEXTS[0])
    finally:
        keras.config.set_dtype_policy(before)
    mean = np.mean([np.exp(member.score(TEXTS[0])) for member in members], axis=0)
    np.testing.assert_allclose(np.exp(scores), mean, rtol=1e-4)


def test_the_states_of_an_ensemble_are_those_of_its_members():
    model = models.ensemble([language_model.build("lstm"), language_model.build("gru")])
    outputs, states = model.backbone.step(
        np.array([5, 7], "int32"), model.backbone.initial_states(2)
    )
    assert [len(states[0][0]), len(states[1][0])] == [2, 1]
    for number, member in enumerate(model.members):
        start = model.backbone.initial_states(2)[number]
        expected, _ = member.backbone.step(np.array([5, 7], "int32"), start)
        width = member.backbone.output_dim
        part = outputs[:, number * width : (number + 1) * width]
        np.testing.assert_allclose(part, expected, rtol=1e-5)


@pytest.mark.parametrize("make_members", [text_members, translators])
def test_a_single_model_is_no_ensemble(make_members):
    member, *_ = make_members()
    assert models.ensemble([member]) is member


def test_members_of_different_kinds_are_named():
    text, _ = text_members()
    for other, name in ((translators()[0], "Translator"), (audio_members()[0], "AudioClassifier")):
        with pytest.raises(ValueError, match=rf"Received: \['TextClassifier', '{name}'\]"):
            models.ensemble([text, other])


def test_what_differs_between_members_is_named():
    text, other = text_members()
    other.labels = ["good", "bad"]
    message = r"the same labels\. Received: \['bad', 'good'\] and \['good', 'bad'\]"
    with pytest.raises(ValueError, match=message):
        models.ensemble([text, other])
    other.labels = text.labels
    other.preprocessor = models.TextClassifierPreprocessor(tokenizer(), 100)
    with pytest.raises(ValueError, match=r"the same sequence length\. Received: 512 and 100"):
        models.ensemble([text, other])
    smaller = models.SubwordTokenizer.train(TEXTS[:2] * 5, 40)
    other.preprocessor = models.TextClassifierPreprocessor(smaller)
    with pytest.raises(ValueError, match=r"the same vocabulary\. Received: \d+ subwords, SHA-256"):
        models.ensemble([text, other])


def test_audio_members_need_the_same_input_and_rate():
    waveforms = audio_classifier_of_waveforms.build()
    with pytest.raises(ValueError, match=r"the same input\. Received: audio and frames"):
        models.ensemble([waveforms, audio_classifier_of_frames.build()])
    backbone = models.AudioBackbone("gru", front_end="mfcc", feature_dim=5, sampling_rate=16000)
    other = models.AudioClassifier(backbone, ["low", "high"], waveforms.preprocessor)
    with pytest.raises(ValueError, match=r"the same sampling rate\. Received: 8000 and 16000"):
        models.ensemble([waveforms, other])


def test_an_ensemble_needs_members():
    with pytest.raises(ValueError, match=r"Received: \[\]"):
        models.ensemble([])
    with pytest.raises(ValueError, match="two or more members"):
        models.EnsembleBackbone(text_members()[:1])
