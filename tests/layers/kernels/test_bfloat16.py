"""With the policy `mixed_bfloat16`, products are those of bfloat16 and the rest is float32."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import architectures, kernels

ONE_WAY = [name for name in architectures.names() if not architectures.get(name).bidirectional]


pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture
def products(native):
    kernels.load()
    if not kernels._has_bfloat16_products:
        pytest.skip("the processor has no matrix products of bfloat16")


def build(name, dtype, units=37, features=19):
    layer = architectures.make(
        name, units, return_sequences=True, return_state=True, dtype=dtype, seed=0
    )
    layer.build((None, None, features))
    generator = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(0.8 * generator.normal(size=weight.shape) / np.sqrt(weight.shape[0]))
    return layer


def results(layer, batch=5, time=7, features=19):
    """Returns the results of a call, and the gradients of a sum of them, in float32."""
    generator = np.random.default_rng(1)
    x = tf.constant(generator.normal(size=(batch, time, features)), layer.compute_dtype)
    mask = generator.random((batch, time)) < 0.8
    mask[:, 0] = True
    factors = generator.normal(size=(batch, time, 1))
    layer.cell.seed_generator.state.assign([3, 0])
    weights = [weight.value for weight in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs, *states = layer(x, mask=mask, training=True)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * factors)
    gradients = tape.gradient(loss, [x, *weights])
    assert {t.dtype.name for t in (outputs, *states, gradients[0])} == {layer.compute_dtype}
    assert all(g.dtype == tf.float32 for g in gradients[1:])
    return [np.asarray(tf.cast(t, tf.float32)) for t in (outputs, *states, *gradients)]


@pytest.mark.usefixtures("products")
@pytest.mark.parametrize("name", ONE_WAY)
@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 19), (33, 9, 40)])
def test_results_are_close_to_those_of_float32(name, shape):
    found = {}
    for dtype in ("float32", "mixed_bfloat16"):
        layer = build(name, dtype, features=shape[-1])
        found[dtype] = results(layer, *shape)
        assert layer.last_kernel == "native"
    # The activation of minGRU has a kink, so its gradients jump.
    tolerance = 0.25 if name.startswith("min_") else 0.03
    differences = []
    for one, other in zip(*found.values(), strict=True):
        differences.append(np.abs(one - other).max() / max(0.01, np.abs(one).max()))
    assert 0 < max(differences) < tolerance


@pytest.mark.usefixtures("products")
def test_sums_are_float32():
    # In bfloat16, 256 and 1 add up to 256.
    layer = architectures.make(
        "rnn", 1, activation="linear", kernel_initializer="ones", dtype="mixed_bfloat16"
    )
    x = np.ones((1, 1, 65), "float32")
    x[..., 0] = 256
    assert layer(x)[0, 0] == 320


@pytest.mark.usefixtures("products")
def test_a_model_is_trained():
    keras.utils.set_random_seed(0)
    layer = architectures.make("lstm", 16, dtype="mixed_bfloat16")
    model = keras.Sequential([keras.Input((None, 4)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    x = np.random.default_rng(0).normal(size=(256, 6, 4)).astype("float32")
    losses = model.fit(x, x[:, :, 0].sum(1), epochs=15, verbose=0).history["loss"]
    assert layer.last_kernel == "native"
    assert losses[-1] < 0.2 * losses[0]


def test_without_such_products_keras_runs(monkeypatch):
    kernels.load()
    monkeypatch.setattr(kernels, "_has_bfloat16_products", False)
    layer = build("lstm", "mixed_bfloat16")
    results(layer)
    reason = "the processor has no matrix products of bfloat16"
    assert (layer.last_kernel, layer.last_kernel_reason) == ("keras", reason)
