"""LSTM and GRU take the function of Keras' backend where Keras does, and their meaning of masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src import backend
from keras.src.layers.rnn import bidirectional_test

import zoo.layers

STATES = {"LSTM": 2, "GRU": 1}
families = pytest.mark.parametrize("name", STATES)


def as_cudnn(name, calls):
    """A stand-in for `keras.src.backend.lstm` or `gru` on a GPU: its values, masks and outputs."""

    def run(inputs, *rest, kernel, recurrent_kernel, bias, go_backwards, return_sequences, **_):
        *states, mask = rest
        calls.append(mask)
        steps = tf.shape(inputs)[1]
        lengths = tf.fill(tf.shape(inputs)[:1], steps)
        if mask is not None:
            lengths = tf.reduce_sum(tf.cast(mask, tf.int32), 1)
            tf.debugging.assert_positive(lengths)
            tf.debugging.assert_equal(mask, tf.sequence_mask(lengths, steps))
        if go_backwards:
            inputs = tf.reverse_sequence(inputs, lengths, 1, 0)
        projected = inputs @ kernel + (bias if name == "LSTM" else bias[0])
        outputs = []
        for t in range(inputs.shape[1]):
            keep = (t < lengths)[:, None]
            new = step(name, projected[:, t], states, recurrent_kernel, bias)
            states = [tf.where(keep, n, s) for n, s in zip(new, states, strict=True)]
            outputs.append(tf.where(keep, states[0], tf.zeros_like(states[0])))
        outputs = tf.stack(outputs, 1)
        if go_backwards:
            outputs = tf.reverse(tf.reverse_sequence(outputs, lengths, 1, 0), [1])
        return states[0], outputs if return_sequences else states[0][:, None], states

    return run


def step(name, projected, states, recurrent_kernel, bias):
    if name == "LSTM":
        h, c = states
        i, f, g, o = tf.split(projected + h @ recurrent_kernel, 4, -1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return [tf.sigmoid(o) * tf.tanh(c), c]
    (h,) = states
    x_z, x_r, x_h = tf.split(projected, 3, -1)
    h_z, h_r, h_h = tf.split(h @ recurrent_kernel + bias[1], 3, -1)
    z, r = tf.sigmoid(x_z + h_z), tf.sigmoid(x_r + h_r)
    return [z * h + (1 - z) * tf.tanh(x_h + r * h_h)]


@pytest.fixture
def gpu(monkeypatch):
    """Makes Keras' backend call cuDNN; returns the masks of its calls."""
    calls = []
    for name in STATES:
        monkeypatch.setattr(backend, name.lower(), as_cudnn(name, calls))
    monkeypatch.setattr(
        backend,
        "cudnn_ok",
        lambda activation, recurrent_activation, unroll, use_bias: (
            activation is keras.activations.tanh and not unroll and use_bias
        ),
    )
    return calls


def random_layer(name, **options):
    layer = getattr(zoo.layers, name)(4, return_state=True, **options)
    layer.build((3, 5, 2))
    generator = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(generator.normal(size=weight.shape))
    return layer


X = np.random.default_rng(1).normal(size=(3, 5, 2)).astype("float32")
RIGHT = np.arange(5) < np.array([[5], [1], [3]])
HOLES = np.array([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool)


def outputs_and_gradients(layer, x, **kwargs):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, **kwargs)
        loss = tf.add_n([tf.reduce_sum(tf.sin(y)) for y in outputs])
    return [*outputs, *tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])]


@families
@pytest.mark.parametrize("mask", [None, RIGHT, HOLES], ids=["none", "right", "holes"])
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {"return_sequences": True},
        {"return_sequences": True, "zero_output_for_mask": True},
        {"zero_output_for_mask": True},
        {"return_sequences": True, "go_backwards": True},
        {"go_backwards": True},
    ],
)
def test_it_computes_what_the_loop_does(name, mask, graph, options, gpu):
    layer = random_layer(name, **options)
    call = lambda: outputs_and_gradients(layer, X, mask=mask)
    layer.use_cudnn = False
    expected = call()
    assert (layer.last_kernel, gpu) == ("keras", [])
    layer.use_cudnn = "auto"
    found = tf.function(call)() if graph else call()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    if mask is HOLES and not graph:
        assert layer.last_kernel_reason == "cuDNN needs a mask that is padded on the right"
        assert gpu == []
    else:
        assert (layer.last_kernel, layer.last_kernel_reason) == ("cudnn", None)
        assert len(gpu) == 1


@families
def test_dropout_is_that_of_the_other_paths(name, gpu):
    results = []
    for use_cudnn in ("auto", False):
        layer = random_layer(name, dropout=0.5, seed=3, use_cudnn=use_cudnn)
        results.append(outputs_and_gradients(layer, X, training=True))
    assert len(gpu) == 1
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@families
@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu"},
        {"use_bias": False},
        {"unroll": True},
        {"recurrent_dropout": 0.5},
        {"dropout": 0.5, "implementation": 1},
    ],
)
def test_what_it_does_not_support_runs_otherwise_or_is_an_error(name, options, gpu):
    layer = random_layer(name, **options)
    layer(X, training=True)
    assert layer.last_kernel == "keras"
    layer = random_layer(name, use_cudnn=True, **options)
    with pytest.raises(ValueError, match="Pass use_cudnn='auto'"):
        layer(X, training=True)
    assert gpu == []


@families
def test_xla_and_exports_do_not_take_it(name, gpu):
    layer = random_layer(name)
    assert not layer.supports_jit
    tf.function(layer, jit_compile=True)(X)
    assert (layer.last_kernel, gpu) == ("keras", [])


@families
def test_true_is_an_error_without_a_gpu(name):
    layer = getattr(zoo.layers, name)(4, use_cudnn=True)
    with pytest.raises(ValueError, match="there is no GPU"):
        layer(X)


@pytest.mark.parametrize(
    "make",
    [
        zoo.layers.PeepholeLSTM,
        zoo.layers.GRUResetBefore,
        lambda units, **options: zoo.layers.LSTM(units, recurrent_weight_dropout=0.5, **options),
    ],
)
def test_other_cells_have_none(make, gpu):
    layer = make(4)
    layer(X)
    assert (layer.use_cudnn, layer.last_kernel, gpu) == (False, "keras", [])
    with pytest.raises(ValueError, match="no cuDNN implementation"):
        make(4, use_cudnn=True)
    both = keras.layers.Bidirectional(make(4))
    both.build((3, 5, 2))
    assert not both._can_attempt_fused_lstm(mask=None)
    assert not both._can_attempt_fused_gru(mask=None)


@pytest.mark.parametrize(
    "test",
    sorted(name for name in vars(bidirectional_test.SimpleRNNTest) if name.startswith("test_")),
)
def test_tests_of_keras_pass_with_layers_of_the_zoo(test, monkeypatch):
    for name in ("SimpleRNN", "LSTM", "GRU"):
        monkeypatch.setattr(bidirectional_test.layers, name, getattr(zoo.layers, name))
    case = bidirectional_test.SimpleRNNTest(test)
    case.setUp()
    try:
        getattr(case, test)()
    finally:
        case.tearDown()
