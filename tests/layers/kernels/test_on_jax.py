"""The native kernels in XLA's foreign function interface: a part of `make test-backends`."""

import keras
import numpy as np
import pytest

from zoo import layers
from zoo.layers import kernels

if keras.backend.backend() != "jax":
    pytest.skip("the backend of Keras isn't JAX", allow_module_level=True)

import jax
from jax import numpy as jnp

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture
def layer():
    keras.utils.set_random_seed(0)
    layer = layers.LSTM(4, return_sequences=True)
    layer.build((2, 5, 3))
    return layer


def random_input(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), "float32")


def test_inference_saves_nothing_for_a_gradient(layer):
    x = random_input(2, 5, 3)
    sizes = {}
    for name, function in (
        ("inference", layer),
        ("training", jax.grad(lambda x: layer(x).sum())),
    ):
        (forward,) = [
            equation
            for equation in _equations(jax.make_jaxpr(function)(x).jaxpr)
            if equation.params.get("target_name") == "ZooRecurrence"
        ]
        sizes[name] = forward.outvars[2].aval.size
    assert sizes["inference"] == 0 < sizes["training"]


def _equations(jaxpr):
    """All equations of a jaxpr and of those inside of it."""
    for equation in jaxpr.eqns:
        yield equation
        for value in jax.tree.leaves(list(equation.params.values())):
            if hasattr(value, "jaxpr"):
                yield from _equations(value.jaxpr)


def test_float64_is_as_exact_as_keras(monkeypatch):
    with jax.enable_x64(True):
        layer = layers.LSTM(4, return_sequences=True, dtype="float64")
        x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 3)))
        found = layer(x)
        assert layer.last_kernel == "native"
        monkeypatch.setenv("ZOO_KERNEL", "keras")
        np.testing.assert_allclose(found, layer(x), atol=1e-13)


def test_a_batch_of_calls_has_the_results_of_each(layer):
    xs = random_input(3, 2, 5, 3)
    masks = jnp.asarray(np.random.default_rng(1).random((3, 2, 5)) < 0.6)
    loss = lambda x, mask: jnp.sum(jnp.square(layer(x, mask=mask)))
    for function in (lambda x, mask: layer(x, mask=mask), jax.grad(loss)):
        found = jax.jit(jax.vmap(function))(xs, masks)
        expected = jnp.stack([function(*one) for one in zip(xs, masks, strict=True)])
        np.testing.assert_allclose(found, expected, atol=1e-6)
    assert layer.last_kernel == "native"


def test_a_checkpoint_has_the_gradient_of_what_it_recomputes(layer):
    x = random_input(2, 5, 3)
    loss = lambda x: jnp.sum(jnp.square(layer(x)))
    found = jax.jit(jax.grad(jax.checkpoint(loss)))(x)
    np.testing.assert_allclose(found, jax.grad(loss)(x), atol=1e-6)


@pytest.mark.parametrize("second", ["hessian", "gradient of a gradient"])
def test_a_second_derivative_is_an_error(layer, second):
    loss = lambda x: jnp.sum(layer(x))
    function = {
        "hessian": jax.hessian(loss),
        "gradient of a gradient": jax.grad(lambda x: jnp.sum(jax.grad(loss)(x))),
    }[second]
    with pytest.raises(NotImplementedError, match="Build the layer with `unroll=True`"):
        jax.jit(function)(random_input(2, 5, 3))


def test_forward_mode_differentiation_runs_with_keras(layer):
    x = random_input(2, 5, 3)
    tangent = jnp.ones_like(x)
    _, found = jax.jvp(layer, (x,), (tangent,))
    assert layer.last_kernel_reason == "forward-mode differentiation has the tangent of an input"
    difference = (layer(x + 1e-3 * tangent) - layer(x - 1e-3 * tangent)) / 2e-3
    np.testing.assert_allclose(found, difference, atol=1e-3)


def test_an_exported_function_holds_no_native_kernel(layer):
    x = random_input(2, 5, 3)
    exported = jax.export.export(jax.jit(lambda x: layer(x)))(x)
    assert (layer.last_kernel, layer.last_kernel_reason) == ("keras", "this graph is exported")
    loaded = jax.export.deserialize(exported.serialize())
    np.testing.assert_allclose(loaded.call(x), layer(x), atol=1e-6)
    assert layer.last_kernel == "native"


def test_a_device_that_is_no_cpu_runs_with_keras(layer, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "tpu")
    layer(random_input(2, 5, 3))
    assert (layer.last_kernel, layer.last_kernel_reason) == ("keras", "there is a TPU")


def test_weights_of_another_shape_are_an_error():
    weights = [jnp.zeros(shape) for shape in ((3, 16), (4, 15), (16,))]
    message = r"recurrent_kernel must be \[4,16\]; received \[4,15\]"
    with pytest.raises(jax.errors.JaxRuntimeError, match=message):
        kernels.run("lstm", jnp.zeros((2, 5, 3)), [jnp.zeros((2, 4))] * 2, weights=weights)
