"""The optimizer: the fused Adam updates as Keras' does, after a warm-up and with a decay."""

import keras
import numpy as np
import tensorflow as tf

from benchmarks.recipes.optimizer import adam


def updated(optimizer, steps=5):
    """The weights and their averages after some updates; one gradient has only a few rows."""
    generator = np.random.default_rng(0)
    shapes = [(6, 3), (4,)]
    weights = [keras.Variable(generator.normal(size=shape), dtype="float32") for shape in shapes]
    optimizer.build(weights)

    @tf.function
    def update(rows, dense):
        sparse = tf.IndexedSlices(rows, [1, 4, 1], shapes[0])
        optimizer.apply([sparse, dense], weights)

    for _ in range(steps):
        update(*(generator.normal(size=size).astype("float32") for size in [(3, 3), (4,)]))
    averages = getattr(optimizer, "_model_variables_moving_average", [])
    return [np.array(one) for one in (*weights, *averages)]


def test_it_updates_as_adam_of_keras():
    fused = adam(0.01, batches=8, warmup=2, averaging=0.9)
    config = fused.get_config()
    plain = keras.optimizers.Adam.from_config(config)
    assert type(fused) is not type(plain)
    for ours, theirs in zip(updated(fused), updated(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_the_learning_rate_rises_and_falls_to_zero():
    rate = adam(0.01, batches=10, warmup=4).get_config()["learning_rate"]
    schedule = keras.optimizers.schedules.deserialize(rate)
    values = [float(schedule(step)) for step in range(11)]
    assert values[0] == np.float32(0.001)
    assert max(values) == values[4] == np.float32(0.01)
    assert np.all(np.diff(values[4:]) < 0)
    assert abs(values[10]) < 1e-9
