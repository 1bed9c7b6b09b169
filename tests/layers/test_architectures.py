"""The registry of architectures, and properties that every registered layer has."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import zoo.layers
from zoo.layers import LSTM, architectures

every_architecture = pytest.mark.parametrize("name", architectures.names())


def randomize(weights, seed=0):
    rng = np.random.default_rng(seed)
    for weight in weights:
        weight.assign(rng.normal(size=weight.shape) * 0.5)


def random_input(seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 5, 2)).astype("float32")
    return x, np.arange(5)[None] < np.array([[5], [2], [3]])


def test_names_are_in_the_order_of_registration():
    assert architectures.names()[:5] == ["rnn", "lstm", "gru", "bilstm", "bigru"]


def test_architectures_are_frozen():
    lstm = architectures.get("lstm")
    assert lstm.layer is LSTM
    assert not lstm.bidirectional
    assert architectures.get("bilstm").bidirectional
    with pytest.raises(dataclasses.FrozenInstanceError):
        lstm.name = "other"


@pytest.mark.parametrize(("wrong", "right"), [("ltsm", "lstm"), ("bigruu", "bigru")])
def test_an_unknown_name_raises_and_suggests_the_nearest(wrong, right):
    with pytest.raises(ValueError, match=f"'{wrong}'.*mean '{right}'"):
        architectures.make(wrong, 4)


def test_a_duplicate_name_raises():
    with pytest.raises(ValueError, match="'lstm' is already registered"):
        architectures.register("lstm", LSTM, "LSTM", "paper")


@every_architecture
def test_the_layer_and_its_cell_are_exported_by_name(name):
    layer = architectures.get(name).layer
    for cls in (layer, layer.cell_class):
        assert getattr(zoo.layers, cls.__name__) is cls
        assert cls.__name__ in zoo.layers.__all__


@every_architecture
def test_titles_are_unique_and_papers_are_given(name):
    architecture = architectures.get(name)
    assert architecture.name == name
    assert architecture.title
    assert architecture.paper
    titles = [architectures.get(other).title for other in architectures.names()]
    assert titles.count(architecture.title) == 1


@every_architecture
def test_output_and_state_shapes(name):
    x, mask = random_input()
    directions = 2 if architectures.get(name).bidirectional else 1
    layer = architectures.make(name, 4, name="encoder")
    assert layer.name == "encoder"
    assert layer(x).shape == (3, 4 * directions)
    assert layer.compute_output_shape(x.shape) == (3, 4 * directions)
    layer = architectures.make(name, 4, return_sequences=True, return_state=True)
    output, states = architectures.split_states(layer, layer(x, mask=mask))
    assert output.shape == (3, 5, 4 * directions)
    sizes = architectures.get(name).layer(4).state_size
    assert [tuple(state.shape) for state in states] == [(3, size * directions) for size in sizes]
    last = np.asarray(output)[np.arange(3), [4, 1, 2]][:, :4]
    np.testing.assert_allclose(np.asarray(states[0])[:, :4], last, rtol=1e-6)


@pytest.mark.parametrize("name", ["rnn", "lstm"])
def test_make_can_wrap_any_architecture_in_both_directions(name):
    layer = architectures.make(name, 4, bidirectional=True, return_state=True)
    output, states = architectures.split_states(layer, layer(random_input()[0]))
    assert [tuple(tensor.shape) for tensor in (output, *states)] == [(3, 8)] * (1 + len(states))


@every_architecture
def test_a_sequence_can_be_continued_from_its_states(name):
    if architectures.get(name).bidirectional:
        pytest.skip("the backward direction starts at the end")
    x, _ = random_input()
    layer = architectures.make(name, 4, return_state=True)
    layer.build(x.shape)
    randomize(layer.weights)
    _, states = architectures.split_states(layer, layer(x[:, :2]))
    for actual, expected in zip(layer(x[:, 2:], initial_state=states), layer(x), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@every_architecture
def test_padding_has_no_effect(name):
    x, mask = random_input()
    layer = architectures.make(name, 4, return_sequences=True)
    layer.build(x.shape)
    randomize(layer.weights)
    padded = np.asarray(layer(np.where(mask[..., None], x, 9.0).astype("float32"), mask=mask))
    for row, length in enumerate(mask.sum(axis=1)):
        alone = np.asarray(layer(x[row : row + 1, :length]))
        np.testing.assert_allclose(padded[row, :length], alone[0], rtol=1e-4, atol=1e-5)


@every_architecture
def test_a_gradient_reaches_every_parameter(name):
    x, mask = random_input()
    layer = architectures.make(name, 4, return_sequences=True)
    layer.build(x.shape)
    randomize(layer.weights)
    with tf.GradientTape() as tape:
        loss = ops.sum(ops.sin(layer(x, mask=mask, training=True)))
    weights = layer.trainable_weights
    assert weights
    gradients = tape.gradient(loss, [w.value for w in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        assert np.isfinite(gradient).all(), weight.path
        assert np.abs(gradient).max() > 1e-6, weight.path


@every_architecture
def test_a_graph_accepts_any_batch_size_and_length(name):
    x, mask = random_input()
    layer = architectures.make(name, 4, return_sequences=True)
    specs = [tf.TensorSpec([None, None, 2], tf.float32), tf.TensorSpec([None, None], tf.bool)]
    call = tf.function(lambda x, mask: layer(x, mask=mask), input_signature=specs)
    np.testing.assert_allclose(call(x, mask), layer(x, mask=mask), rtol=1e-5, atol=1e-6)


@every_architecture
# NumPy warns about how Keras converts TensorFlow variables to arrays when it saves them.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_loads_unchanged(name, tmp_path):
    x, _ = random_input()
    inputs = keras.Input((None, 2))
    model = keras.Model(inputs, architectures.make(name, 4, dropout=0.2, seed=3)(inputs))
    randomize(model.weights)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))
    assert json.loads(loaded.to_json()) == json.loads(model.to_json())


@every_architecture
def test_mixed_precision_keeps_weights_in_float32(name):
    x, mask = random_input()
    layer = architectures.make(name, 4, return_sequences=True, dtype="mixed_bfloat16")
    output = layer(x, mask=mask)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    assert {w.dtype for w in layer.weights} == {"float32"}
    assert np.isfinite(np.asarray(ops.cast(output, "float32"))).all()
