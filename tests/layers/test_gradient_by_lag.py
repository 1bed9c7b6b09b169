"""The gradient by lag is the derivative of the loss with respect to the whole state."""

import doctest
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.layers import architectures, gradient_by_lag

BATCH, TIME, FEATURES, UNITS = 2, 9, 4, 3
LAGS = [2, 3, 5, 8]

one_direction = pytest.mark.parametrize(
    "name", [name for name in architectures.names() if not architectures.get(name).bidirectional]
)


def random_layer(name, seed=0, dtype="float64", **kwargs):
    layer = architectures.make(name, UNITS, dtype=dtype, **kwargs)
    layer.build((BATCH, TIME, FEATURES))
    random = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape) * 0.8)
    return layer


def random_input(seed=0, time=TIME):
    return np.random.default_rng(seed).normal(size=(BATCH, time, FEATURES))


def loss_of(outputs):
    """A loss that weighs every output differently."""
    weights = np.random.default_rng(1).normal(size=outputs.shape[1:])
    return tf.reduce_sum(weights * outputs**2, axis=[1, 2])


def last_output(outputs):
    return tf.reduce_sum(outputs[:, -1], axis=-1)


@one_direction
def test_it_is_the_norm_of_finite_differences_of_the_state(name):
    layer = random_layer(name, return_sequences=True, return_state=True)
    sizes = layer.cell.state_size if isinstance(layer.cell.state_size, list) else [UNITS]
    x, eps, expected = random_input(), 1e-6, []
    for lag in LAGS:
        _, *states = layer(x[:, : TIME - lag])
        state = np.concatenate(states, axis=-1)
        # All perturbed states are one batch: `[sign, element, batch]`.
        shifts = np.array([eps, -eps])[:, None, None, None] * np.eye(sum(sizes))[:, None]
        shifted = (state + shifts).reshape(-1, sum(sizes))
        after = np.tile(x[:, TIME - lag :], (2 * sum(sizes), 1, 1))
        outputs, *_ = layer(after, initial_state=tf.split(shifted, sizes, axis=-1))
        above, below = loss_of(outputs[:, -LAGS[0] :]).numpy().reshape(2, sum(sizes), BATCH)
        expected.append(np.linalg.norm((above - below) / (2 * eps), axis=0).mean())
    result = gradient_by_lag(layer, x, loss_of, LAGS)
    assert result.dtype == "float32"
    np.testing.assert_allclose(result, expected, rtol=1e-5)


def test_it_is_the_product_of_jacobians_of_a_simple_rnn():
    layer, x = random_layer("rnn"), random_input()
    W, R, b = layer.get_weights()
    h = [np.zeros((BATCH, UNITS))]
    for t in range(TIME):
        h.append(np.tanh(x[:, t] @ W + h[-1] @ R + b))
    product = np.stack([np.eye(UNITS)] * BATCH)
    expected = []
    for t in reversed(range(TIME)):
        jacobian = (1 - h[t + 1] ** 2)[:, :, None] * R.T
        product = product @ jacobian
        expected.append(np.linalg.norm(product.sum(axis=1), axis=-1).mean())
    lags = list(range(1, TIME + 1))
    np.testing.assert_allclose(gradient_by_lag(layer, x, last_output, lags), expected, rtol=1e-6)


@pytest.mark.parametrize("options", [{"return_sequences": True}, {"unroll": True}])
@pytest.mark.parametrize("name", ["lstm", "min_gru"])
def test_settings_of_the_layer_do_not_matter(name, options):
    expected = gradient_by_lag(random_layer(name), random_input(), loss_of, LAGS)
    result = gradient_by_lag(random_layer(name, **options), random_input(), loss_of, LAGS)
    np.testing.assert_allclose(result, expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["rnn", "lstm", "min_gru"])
def test_mixed_precision_gives_nearly_the_same(name, dtype):
    loss = lambda outputs: loss_of(tf.cast(outputs, "float64"))
    expected = gradient_by_lag(random_layer(name), random_input(), loss, LAGS)
    result = gradient_by_lag(random_layer(name, dtype=dtype), random_input(), loss, LAGS)
    np.testing.assert_allclose(result, expected, rtol=0.1)


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru"])
def test_native_kernels_give_the_same(name, monkeypatch, needs_compiler):
    layer, x = random_layer(name), random_input()
    monkeypatch.setenv("ZOO_KERNEL", "keras")
    expected = gradient_by_lag(layer, x, loss_of, LAGS)
    monkeypatch.setenv("ZOO_KERNEL", "native")
    result = gradient_by_lag(layer, x, loss_of, LAGS)
    assert layer.last_kernel == "native"
    np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_an_untrained_simple_rnn_loses_the_gradient_exponentially():
    keras.utils.set_random_seed(0)
    lags = [20, 40, 60, 80, 100]
    x = random_input(time=100)
    norms = gradient_by_lag(zoo.layers.SimpleRNN(32), x, last_output, lags)
    per_step = (norms[1:] / norms[:-1]) ** (1 / 20)
    assert (per_step < 0.95).all()
    assert np.ptp(per_step) < 0.05


def test_an_lstm_with_long_timescales_keeps_the_gradient():
    keras.utils.set_random_seed(0)
    x = random_input(time=200)
    default, chrono = (
        gradient_by_lag(layer, x, last_output, [1, 200])
        for layer in (zoo.layers.LSTM(32), zoo.layers.LSTM(32, max_timescale=2000))
    )
    assert default[1] < 1e-6 * default[0]
    assert chrono[1] > 0.3 * chrono[0]


def test_norms_whose_squares_underflow_are_not_lost():
    layer = zoo.layers.SimpleRNN(UNITS, activation=None, recurrent_initializer="identity")
    layer.build((BATCH, 30, FEATURES))
    layer.cell.recurrent_kernel.assign(0.1 * np.eye(UNITS))
    norms = gradient_by_lag(layer, random_input(time=30), last_output, [10, 30])
    np.testing.assert_allclose(norms, np.sqrt(UNITS) * np.array([1e-10, 1e-30]), rtol=1e-4)


def test_another_backend_raises(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(NotImplementedError, match=r"TensorFlow.*Received: backend=jax"):
        gradient_by_lag(zoo.layers.LSTM(UNITS), random_input(), last_output, LAGS)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (architectures.make("bilstm", UNITS), "one direction. Received: .*Bidirectional"),
        (keras.layers.LSTM(UNITS), "layer of the zoo"),
        (zoo.layers.LSTM(UNITS, go_backwards=True), "read forwards"),
    ],
)
def test_a_layer_that_does_not_read_forwards_alone_raises(layer, message):
    with pytest.raises(ValueError, match=message):
        gradient_by_lag(layer, random_input(), last_output, LAGS)


@pytest.mark.parametrize("lags", [[], [0, 3], [3, 2], [2, 2], [TIME + 1]])
def test_wrong_lags_raise(lags):
    with pytest.raises(ValueError, match=rf"from 1 to .* {TIME}\. Received: lags=\["):
        gradient_by_lag(zoo.layers.LSTM(UNITS), random_input(), last_output, lags)


def test_sequences_without_three_axes_raise():
    with pytest.raises(ValueError, match=r"Received: shape=\(9, 4\)"):
        gradient_by_lag(zoo.layers.LSTM(UNITS), random_input()[0], last_output, LAGS)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (tf.reduce_sum, r"one value per example.*Received: shape=\(\)"),
        (lambda outputs: outputs.numpy()[:, -1, 0], "differentiable"),
    ],
)
def test_a_wrong_loss_raises(loss, message):
    with pytest.raises(ValueError, match=message):
        gradient_by_lag(zoo.layers.LSTM(UNITS), random_input(), loss, LAGS)


def test_the_docstring_example_runs():
    module = importlib.import_module("zoo.layers.gradient_by_lag")
    result = doctest.testmod(module, extraglobs={"zoo": zoo, "np": np})
    assert result.attempted
    assert not result.failed
