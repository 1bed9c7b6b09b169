"""Every architecture works on the backend of Keras that `KERAS_BACKEND` names.

`make test` runs these on TensorFlow, `make test-backends` on JAX and torch.
"""

import keras
import numpy as np
import pytest
from equations import EQUATIONS
from keras import ops

from zoo.layers import architectures

UNITS = 3
every_architecture = pytest.mark.parametrize("name", architectures.names())


def random_layer(name, **kwargs):
    layer = architectures.make(name, UNITS, return_sequences=True, **kwargs)
    layer.build((2, 6, 4))
    generator = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(generator.normal(size=weight.shape) * 0.8)
    return layer


def random_input():
    x = np.random.default_rng(1).normal(size=(2, 6, 4)).astype("float32")
    return x, np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1]], bool)


def gradients(layer, x, loss, **kwargs):
    """Gradients of `loss`, a function of the output, for the input and the trainable weights."""
    weights = layer.trainable_variables
    x = ops.convert_to_tensor(x)
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(x)
                value = loss(layer(x, **kwargs))
            found = tape.gradient(value, [x, *(w.value for w in weights)])
        case "jax":
            import jax

            others = [v.value for v in layer.non_trainable_variables]
            call = lambda x, w: loss(layer.stateless_call(w, others, x, **kwargs)[0])
            dx, dw = jax.grad(call, argnums=(0, 1))(x, [w.value for w in weights])
            found = [dx, *dw]
        case "torch":
            x.requires_grad_()
            loss(layer(x, **kwargs)).backward()
            found = [x.grad, *(w.value.grad for w in weights)]
    return [ops.convert_to_numpy(gradient) for gradient in found]


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", [{}, {"unroll": True}, {"go_backwards": True}])
@pytest.mark.parametrize("masked", [False, True])
def test_outputs_match_the_equations(name, training, options, masked):
    if training and name == "lstm_zoneout":
        pytest.skip("zoneout is random in training")
    layer = random_layer(name, return_state=True, **options)
    x, mask = random_input()
    outputs, *last = layer(x, mask=mask if masked else None, training=training)
    mask = mask if masked else np.ones_like(mask)
    if layer.go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    weights = {weight.name: ops.convert_to_numpy(weight.value) for weight in layer.weights}
    states = [np.zeros((2, size)) for size in layer.state_size]
    output = np.zeros((2, UNITS))
    for t in range(6):
        keep = mask[:, t, None]
        new = EQUATIONS[name](x[:, t], states, weights)
        states = [np.where(keep, n, s) for n, s in zip(new, states, strict=True)]
        output = np.where(keep, states[0], output)
        np.testing.assert_allclose(ops.convert_to_numpy(outputs)[:, t], output, atol=2e-5)
    for actual, expected in zip(last, states, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(actual), expected, atol=2e-5)


@every_architecture
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_match_finite_differences(name, masked):
    layer = random_layer(name)
    x, mask = random_input()
    call = {"mask": mask if masked else None, "training": name != "lstm_zoneout"}
    loss = lambda outputs: ops.sum(ops.sin(outputs))
    found = gradients(layer, x, loss, **call)
    variables = [keras.Variable(x), *layer.trainable_variables]
    generator = np.random.default_rng(2)
    for variable, gradient in zip(variables, found, strict=True):
        assert np.abs(gradient).max() > 1e-6
        value = ops.convert_to_numpy(variable.value)
        direction = np.sign(generator.normal(size=value.shape)).astype("float32")
        sides = []
        for step in (0.0005, -0.0005):  # small, since the activation of minGRU has a kink
            variable.assign(value + step * direction)
            value_at = loss(layer(variables[0].value, **call))
            sides.append(float(ops.convert_to_numpy(value_at)))
        variable.assign(value)
        numeric = (sides[0] - sides[1]) / 0.001
        assert np.sum(gradient * direction) == pytest.approx(numeric, rel=0.02, abs=0.02)


@every_architecture
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_gates_have_the_outputs_of_the_layer(name, dtype):
    layer = random_layer(name, dtype=dtype)
    x, mask = random_input()
    if architectures.get(name).bidirectional:
        layer = layer.forward_layer
    found = layer.gates(x, mask=mask)
    assert {keras.backend.standardize_dtype(v.dtype) for v in found.values()} == {
        layer.compute_dtype
    }
    outputs, found = (
        ops.convert_to_numpy(ops.cast(v, "float32")) for v in (layer(x, mask=mask), found["h"])
    )
    tolerance = 2e-5 if dtype == "float32" else 0.05
    np.testing.assert_allclose(found[mask], outputs[mask], atol=tolerance)


@every_architecture
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_model_is_fitted_saved_and_loaded(name, tmp_path):
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(8, 6, 4)).astype("float32")
    y = 3 + generator.normal(size=(8, 1)).astype("float32")  # the mean is soon learnt
    inputs, mask = keras.Input((None, 4)), keras.Input((None,), dtype="bool")
    kept = np.arange(6) < generator.integers(1, 7, (8, 1))
    layer = architectures.make(name, UNITS, seed=1, dropout=0.1)
    model = keras.Model([inputs, mask], keras.layers.Dense(1)(layer(inputs, mask=mask)))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    before = model.evaluate([x, kept], y, verbose=0)
    model.fit([x, kept], y, epochs=15, batch_size=4, verbose=0)
    assert model.evaluate([x, kept], y, verbose=0) < before
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    expected = model.predict([x, kept], verbose=0)
    np.testing.assert_allclose(loaded.predict([x, kept], verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize("options", [{"recurrent_dropout": 0.5}, {"recurrent_weight_dropout": 0.5}])
@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "lstm_peephole"])
def test_dropout_differs_between_calls_in_training_alone(name, options):
    layer = random_layer(name, seed=1, dropout=0.2, **options)
    x, mask = random_input()
    call = lambda **kwargs: ops.convert_to_numpy(layer(x, **kwargs))
    assert np.abs(call(training=True) - call(training=True)).max() > 1e-3
    assert np.abs(call(training=True, mask=mask) - call(training=True, mask=mask)).max() > 1e-3
    np.testing.assert_array_equal(call(), call())


@pytest.mark.parametrize("name", ["rnn", "lstm", "gru", "slstm"])
def test_stateful_layers_are_trained_and_keep_their_state(name):
    layer = architectures.make(name, UNITS, stateful=True)
    whole = architectures.make(name, UNITS)
    x, _ = random_input()
    layer.build(x.shape)
    whole.build(x.shape)
    whole.set_weights(layer.get_weights()[: len(whole.weights)])
    gradients(layer, x[:, :2], ops.sum, training=True)
    layer.reset_state()
    layer(x[:, :2])
    later = ops.convert_to_numpy(layer(x[:, 2:]))
    np.testing.assert_allclose(later, ops.convert_to_numpy(whole(x)), atol=2e-5)


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm_peephole"])
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_close_to_full(name, dtype):
    layer, half = random_layer(name), random_layer(name, dtype=dtype)
    x, mask = random_input()
    expected = ops.convert_to_numpy(layer(x, mask=mask))
    found = half(x, mask=mask)
    assert keras.backend.standardize_dtype(found.dtype) == half.compute_dtype
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(found, "float32")), expected, atol=0.1)
