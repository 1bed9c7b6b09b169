"""Gates of a model: their steps, their values, and their plot."""

import keras
import numpy as np
import pytest
from examples import text_classifier, translator
from texts import TEXTS

import zoo
from zoo import models


@pytest.fixture
def classifier():
    keras.utils.set_random_seed(0)
    return text_classifier.build("bilstm")


def test_gates_of_both_directions_are_labelled_with_subwords(classifier):
    forward, backward = zoo.gates(classifier, TEXTS[0])
    assert [forward.layer, backward.layer] == ["encoder_0 forward", "encoder_0 backward"]
    assert "".join(forward.steps) == "▁a▁fine▁film</s>"
    assert list(forward.values) == ["i", "f", "c_tilde", "o", "h", "c"]
    assert forward["i"].shape == (len(forward.steps), 6)
    x = classifier.preprocessor(TEXTS[:1])
    expected = np.asarray(classifier.backbone(x)["sequence"])[0]
    both = np.concatenate([forward["h"], backward["h"]], axis=-1)
    np.testing.assert_allclose(both, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_gates_in_mixed_precision_are_float32(policy):
    keras.config.set_dtype_policy(policy)
    try:
        classifier = text_classifier.build("bilstm")
        found = zoo.gates(classifier, TEXTS[0])
        assert zoo.plot_gates(classifier, TEXTS[0]).axes
    finally:
        keras.config.set_dtype_policy("float32")
    assert classifier.backbone.compute_dtype == policy.removeprefix("mixed_")
    assert {values.dtype for one in found for values in one.values.values()} == {
        np.dtype("float32")
    }


def test_steps_of_frames_are_numbered():
    backbone = models.AudioBackbone("gru", feature_dim=3, units=6, num_layers=2)
    model = models.AudioClassifier(
        backbone, ["low", "high"], models.AudioClassifierPreprocessor(feature_dim=3)
    )
    first, second = zoo.gates(model, np.ones((5, 3)))
    assert [first.layer, second.layer] == ["encoder_0", "encoder_1"]
    assert first.steps == ["0", "1", "2", "3", "4"]
    assert list(second.values) == ["z", "r", "h_tilde", "h"]


def test_gates_of_a_translator_are_those_of_source_and_translation():
    keras.utils.set_random_seed(0)
    model = translator.build("lstm")
    encoder, decoder = zoo.gates(model, TEXTS[0])
    assert encoder.steps[-1] == "</s>"
    assert decoder.steps[0] == "<s>"
    x, _, _ = model.preprocessor(
        {"encoder_text": TEXTS[:1], "decoder_text": model.generate(TEXTS[:1])}
    )
    backbone = model.backbone
    queries = keras.Model(backbone.input, backbone.decoder_layers[0].output[0])(x)
    np.testing.assert_allclose(decoder["h"], np.asarray(queries)[0], rtol=1e-5, atol=1e-6)


def test_the_plot_has_a_map_for_each_gate_and_labels_the_steps(classifier, tmp_path):
    figure = zoo.plot_gates(classifier, TEXTS[0], "encoder_0 backward")
    labels = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert labels[:2] == ["input gate i", "forget gate f"]
    assert len(labels) == 6
    steps = [label.get_text() for label in figure.axes[5].get_xticklabels()]
    assert steps == zoo.gates(classifier, TEXTS[0])[0].steps
    figure.savefig(tmp_path / "gates.png")


def test_an_unknown_layer_names_the_known_ones(classifier):
    with pytest.raises(ValueError, match=r"no recurrent layer 'decoder'.*'encoder_0 forward'"):
        zoo.plot_gates(classifier, TEXTS[0], "decoder")
