"""Every architecture works on the backend of Keras that `KERAS_BACKEND` names.

`make test` runs these on TensorFlow, `make test-backends` on JAX and torch.
"""

import keras
import numpy as np
import pytest
from equations import EQUATIONS
from keras import ops

from zoo.layers import architectures, kernels

UNITS = 3
every_architecture = pytest.mark.parametrize("name", architectures.names())


# On TensorFlow, Keras' operations are compared with the kernels in tests of their own.
KERNELS = ["native"] if keras.backend.backend() == "tensorflow" else ["native", "keras"]


@pytest.fixture(params=KERNELS, autouse=True)
def kernel(request, monkeypatch):
    """What runs the layers: the native kernels, or the operations of Keras."""
    if request.param == "native":
        request.getfixturevalue("needs_compiler")
    monkeypatch.setenv("ZOO_KERNEL", request.param)
    return request.param


def kernels_of(layer):
    """The kernels that ran a layer, of one direction or two."""
    layers = [getattr(layer, name, layer) for name in ("forward_layer", "backward_layer")]
    return {each.last_kernel for each in layers}


def random_layer(name, units=UNITS, features=4, scale=0.8, **kwargs):
    layer = architectures.make(name, units, return_sequences=True, **kwargs)
    layer.build((2, 6, features))
    generator = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(generator.normal(size=weight.shape) * scale)
    return layer


def random_input():
    x = np.random.default_rng(1).normal(size=(2, 6, 4)).astype("float32")
    return x, np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1]], bool)


def random_states(name, layer, batch=2):
    generator = np.random.default_rng(2)
    layers = [layer.forward_layer] * 2 if architectures.get(name).bidirectional else [layer]
    sizes = [size for each in layers for size in keras.tree.flatten(each.state_size)]
    states = [generator.normal(size=(batch, size)).astype("float32") for size in sizes]
    if name == "slstm":  # its normalizer is at least 1
        states[2] = 1 + states[2] ** 2
    return states


def gradients(layer, x, loss, states=None, **kwargs):
    """Gradients of `loss`, a function of the output.

    Returns:
        A list of those for the input, the initial states and the trainable weights.
    """
    weights = layer.trainable_variables
    sources = [ops.convert_to_tensor(each) for each in (x, *(states or []))]
    call = lambda x, *states: loss(layer(x, initial_state=list(states) or None, **kwargs))
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            with tf.GradientTape() as tape:
                tape.watch(sources)
                value = call(*sources)
            found = tape.gradient(value, [*sources, *(w.value for w in weights)])
        case "jax":
            import jax

            others = [v.value for v in layer.non_trainable_variables]

            def call(sources, values):
                x, *states = sources
                options = {**kwargs, "initial_state": states or None}
                return loss(layer.stateless_call(values, others, x, **options)[0])

            of_sources, of_weights = jax.grad(call, argnums=(0, 1))(
                sources, [w.value for w in weights]
            )
            found = [*of_sources, *of_weights]
        case "torch":
            for source in sources:
                source.requires_grad_()
            for weight in weights:
                weight.value.grad = None
            call(*sources).backward()
            found = [tensor.grad for tensor in (*sources, *(w.value for w in weights))]
    return [ops.convert_to_numpy(gradient) for gradient in found]


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("options", [{}, {"unroll": True}, {"go_backwards": True}])
@pytest.mark.parametrize("masked", [False, True])
def test_outputs_match_the_equations(name, training, options, masked, kernel):
    if options.get("unroll") and kernel == "native":
        pytest.skip("a loop that is unrolled runs with Keras")
    if training and name == "lstm_zoneout":
        pytest.skip("zoneout is random in training")
    layer = random_layer(name, return_state=True, **options)
    x, mask = random_input()
    states = random_states(name, layer)
    outputs, *last = layer(
        x, initial_state=states, mask=mask if masked else None, training=training
    )
    assert layer.last_kernel == kernel
    mask = mask if masked else np.ones_like(mask)
    if layer.go_backwards:
        x, mask = x[:, ::-1], mask[:, ::-1]
    weights = {weight.name: ops.convert_to_numpy(weight.value) for weight in layer.weights}
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
def test_gradients_match_finite_differences(name, masked, kernel):
    layer = random_layer(name)
    x, mask = random_input()
    states = random_states(name, layer)
    call = {"mask": mask if masked else None, "training": name != "lstm_zoneout"}
    loss = lambda outputs: ops.sum(ops.sin(outputs))
    found = gradients(layer, x, loss, states, **call)
    assert kernels_of(layer) == {kernel}
    variables = [keras.Variable(x), *map(keras.Variable, states), *layer.trainable_variables]
    generator = np.random.default_rng(2)
    for variable, gradient in zip(variables, found, strict=True):
        assert np.abs(gradient).max() > 1e-6
        value = ops.convert_to_numpy(variable.value)
        direction = np.sign(generator.normal(size=value.shape)).astype("float32")
        sides = []
        for step in (0.0005, -0.0005):  # small, since the activation of minGRU has a kink
            variable.assign(value + step * direction)
            x, *states = (each.value for each in variables[: 1 + len(states)])
            value_at = loss(layer(x, initial_state=states, **call))
            sides.append(float(ops.convert_to_numpy(value_at)))
        variable.assign(value)
        numeric = (sides[0] - sides[1]) / 0.001
        assert np.sum(gradient * direction) == pytest.approx(numeric, rel=0.02, abs=0.02)


@every_architecture
@pytest.mark.parametrize(
    ("shape", "options"),
    [((1, 9, 3, 130), {}), ((12, 6, 40, 70), {"go_backwards": True})],
)
def test_both_kernels_compute_the_same(name, shape, options, kernel, monkeypatch):
    if kernel == "keras":
        pytest.skip("the native kernels are compared with it")
    if architectures.get(name).bidirectional:
        options = {}  # it has both directions
    batch, time, features, units = shape
    generator = np.random.default_rng(0)
    x = generator.normal(size=(batch, time, features)).astype("float32")
    mask = generator.random((batch, time)) < 0.6
    found = {}
    for choice in ("keras", "native"):
        monkeypatch.setenv("ZOO_KERNEL", choice)
        layer = random_layer(name, units, features, scale=0.2, **options)
        states = random_states(name, layer, batch)
        call = {"mask": mask, "training": name != "lstm_zoneout"}
        loss = lambda outputs: ops.sum(ops.sin(outputs))
        outputs = ops.convert_to_numpy(layer(x, initial_state=states, **call))
        found[choice] = [outputs, *gradients(layer, x, loss, states, **call)]
        assert kernels_of(layer) == {choice}
    for one, other in zip(*found.values(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * max(1, np.abs(other).max()))


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
def test_a_model_is_fitted_saved_and_loaded(name, tmp_path, kernel):
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
    assert kernels_of(layer) == {kernel}
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
def test_stateful_layers_are_trained_and_keep_their_state(name, kernel):
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
    assert layer.last_kernel == kernel
    np.testing.assert_allclose(later, ops.convert_to_numpy(whole(x)), atol=2e-5)


@pytest.mark.parametrize("name", ["lstm", "gru", "lstm_peephole"])
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_close_to_full(name, dtype, kernel):
    layer, half = random_layer(name), random_layer(name, dtype=dtype)
    x, mask = random_input()
    expected = ops.convert_to_numpy(layer(x, mask=mask))
    found = half(x, mask=mask)
    assert keras.backend.standardize_dtype(found.dtype) == half.compute_dtype
    reason = None
    if kernel == "keras":
        reason = "ZOO_KERNEL=keras"
    elif dtype == "mixed_float16":
        reason = "the data type is float16"
    elif not kernels._has_bfloat16_products:
        reason = "the processor has no matrix products of bfloat16"
    assert half.last_kernel == ("keras" if reason else "native")
    assert half.last_kernel_reason == reason
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(found, "float32")), expected, atol=0.1)
