"""A layer says what ran its last call, and why it wasn't the native kernel."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo.layers
from zoo.layers import kernels

pytestmark = pytest.mark.usefixtures("native")


X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


def test_it_is_the_native_kernel_without_a_reason():
    layer = zoo.layers.LSTM(4)
    assert (layer.last_kernel, layer.last_kernel_reason) == (None, None)
    layer(X)
    assert (layer.last_kernel, layer.last_kernel_reason) == ("native", None)


@pytest.mark.parametrize(
    ("options", "training", "reason"),
    [
        ({"unroll": True}, False, "the loop is unrolled"),
        ({"recurrent_dropout": 0.5}, True, "recurrent_dropout drops units inside of each step"),
        (
            {"dropout": 0.5, "implementation": 1},
            True,
            "implementation=1 drops different inputs for each gate",
        ),
        ({"dtype": "mixed_float16"}, False, "the data type is float16"),
        ({"activation": "softsign"}, False, "there is no kernel for the activation"),
    ],
)
def test_a_layer_with_other_options_has_a_reason(options, training, reason):
    layer = zoo.layers.LSTM(4, **options)
    layer(X, training=training)
    assert layer.last_kernel == "keras"
    assert layer.last_kernel_reason.startswith(reason)


def test_a_cell_of_a_user_has_a_reason():
    class Cell(zoo.layers.LSTMCell):
        def step(self, projected, states, recur):
            return super().step(2 * projected, states, recur)

    class Layer(zoo.layers.LSTM):
        cell_class = Cell

    layer = Layer(4)
    layer(X)
    assert (layer.last_kernel, layer.last_kernel_reason) == ("keras", "there is no kernel for Cell")


def test_the_variable_and_a_missing_compiler_are_reasons(monkeypatch):
    layer = zoo.layers.LSTM(4)
    monkeypatch.setenv("ZOO_KERNEL", "keras")
    layer(X)
    assert layer.last_kernel_reason == "ZOO_KERNEL=keras"
    monkeypatch.setenv("ZOO_KERNEL", "auto")
    monkeypatch.setattr(kernels, "_ops", None)
    monkeypatch.setattr(kernels, "_failure", RuntimeError("no C++ compiler found"))
    layer(X)
    assert layer.last_kernel_reason == "the native kernels are not available: no C++ compiler found"


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("ZOO_KERNEL", "")
    layer = zoo.layers.LSTM(4)
    layer(X)
    assert layer.last_kernel == "native"


def test_xla_is_a_reason_also_in_a_function_that_was_traced_before():
    layer = zoo.layers.LSTM(4)
    expected = layer(X)
    for traced in (
        tf.function(lambda x: layer(x)),
        tf.function(lambda x: layer(x), input_signature=[tf.TensorSpec((None, None, 3))]),
        tf.function(tf.function(lambda x: layer(x))),
    ):
        traced(X)
        assert layer.last_kernel == "native"
        compiled = tf.function(lambda x, traced=traced: 2 * traced(x), jit_compile=True)
        np.testing.assert_allclose(compiled(X), 2 * expected, atol=1e-6)
        assert layer.last_kernel_reason == "XLA compiles this graph"
        count = compiled.experimental_get_tracing_count()
        compiled(X)
        assert compiled.experimental_get_tracing_count() == count
        traced(X)  # is still the native one
        (concrete,) = traced._list_all_concrete_functions()[:1]
        assert "ZooRecurrence" in str(concrete.graph.as_graph_def())


def test_a_model_compiled_by_xla_has_a_reason():
    model = keras.Sequential([keras.Input((5, 3)), zoo.layers.GRU(4)])
    model.compile("sgd", "mse", jit_compile=True)
    model.train_on_batch(X, np.zeros((2, 4)))
    assert model.layers[0].last_kernel_reason == "XLA compiles this graph"


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("training", [False, True])
def test_forward_mode_differentiation_matches_keras(name, training):
    ours, theirs = (getattr(module, name)(4) for module in (zoo.layers, keras.layers))
    for layer in (theirs, ours):
        layer(X)
    ours.set_weights(theirs.get_weights())
    x = tf.constant(X)
    generator = np.random.default_rng(1)
    tangent = tf.constant(generator.normal(size=X.shape), tf.float32)
    of_weight = tf.constant(generator.normal(size=ours.cell.kernel.shape), tf.float32)

    def derivatives(layer):
        with tf.autodiff.ForwardAccumulator(x, tangent) as by_x:
            y = layer(x, training=training)
        weight = layer.cell.kernel.value
        with tf.autodiff.ForwardAccumulator(weight, of_weight) as by_weight:
            z = layer(x, training=training)
        return by_x.jvp(y), by_weight.jvp(z)

    for one, other in zip(derivatives(ours), derivatives(theirs), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert ours.last_kernel_reason == "a ForwardAccumulator watches an input"


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
def test_masks_and_states_that_keras_broadcasts_run_natively(name):
    layer = getattr(zoo.layers, name)(4, return_sequences=True, return_state=True)
    layer(X)
    generator = np.random.default_rng(1)
    mask = generator.random((2, 5)) < 0.6
    states = [generator.normal(size=(1, size)).astype("float32") for size in layer.state_size]
    for given, full in (
        ({"mask": mask[..., None]}, {"mask": mask}),
        ({"mask": mask[:1]}, {"mask": np.repeat(mask[:1], 2, 0)}),
        ({"mask": mask[:1, :, None]}, {"mask": np.repeat(mask[:1], 2, 0)}),
        ({"initial_state": states}, {"initial_state": [np.repeat(s, 2, 0) for s in states]}),
    ):
        in_graph = tf.function(
            lambda x, given=given: layer(x, **given),
            input_signature=[tf.TensorSpec((None, 5, 3))],
        )
        for found in (layer(X, **given), in_graph(X)):
            for one, other in zip(found, layer(X, **full), strict=True):
                np.testing.assert_array_equal(one, other)
        assert layer.last_kernel == "native"


@pytest.mark.parametrize("name", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_input_has_the_gradients_of_keras(name, value):
    ours, theirs = (
        getattr(module, name)(4, return_sequences=True) for module in (zoo.layers, keras.layers)
    )
    x = X.copy()
    x[0, 2, 1] = value
    for layer in (theirs, ours):
        layer(x)
    ours.set_weights(theirs.get_weights())
    found = []
    for layer in (ours, theirs):
        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = tf.reduce_sum(tf.sin(layer(tensor)))
        # That of the kernel is infinite, or NaN, in both.
        others = [weight.value for weight in layer.trainable_weights[1:]]
        found.append(tape.gradient(loss, [tensor, *others]))
    assert ours.last_kernel == "native"
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.isfinite(found[0][0]).all()
