"""`quantize("int8")` quantizes recurrent layers, natively and with Keras operations alike."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo.layers
from zoo.layers import architectures
from zoo.layers.quantization import QuantizedMatrix, multiplier

every_architecture = pytest.mark.parametrize("name", architectures.names())


def random_input(batch=5, time=7, features=19):
    generator = np.random.default_rng(1)
    x = generator.normal(size=(batch, time, features)).astype("float32")
    return x, generator.random((batch, time)) < 0.7


def build(name, units=21, **options):
    layer = architectures.make(name, units, return_sequences=True, **options)
    layer.build((None, None, 19))
    generator = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(0.8 * generator.normal(size=weight.shape) / np.sqrt(weight.shape[0]))
    return layer


def cells(layer):
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer.cell, layer.backward_layer.cell]
    return [layer.cell]


def quantized(name, **options):
    layer = build(name, **options)
    for cell in cells(layer):
        cell.quantize("int8")
    return layer


def test_a_product_is_that_of_the_rounded_factors():
    generator = np.random.default_rng(0)
    x, kernel = generator.normal(size=(3, 50)), generator.normal(size=(50, 6))
    x[1] = 0
    largest = lambda m, axis: np.maximum(np.abs(m).max(axis, keepdims=True), 1e-7)
    of_x, of_kernel = 127 / largest(x, 1), 127 / largest(kernel, 0)
    integers = np.rint(x * of_x).astype(int) @ np.rint(kernel * of_kernel).astype(int)
    matrix = QuantizedMatrix(*keras.quantizers.abs_max_quantize(kernel.astype("float32"), axis=0))
    matrix = QuantizedMatrix(matrix.values, matrix.scale[0])
    found = multiplier(matrix)(keras.ops.convert_to_tensor(x, "float32"))
    np.testing.assert_allclose(found, integers / of_x / of_kernel, atol=1e-5)
    assert np.abs(found - x @ kernel).max() > 1e-3


@every_architecture
def test_kernels_become_int8_and_outputs_stay_close(name):
    layer = build(name)
    x, mask = random_input()
    expected = layer(x, mask=mask)
    for cell in cells(layer):
        cell.quantize("int8")
        for one in cell.kernel_names:
            assert getattr(cell, one).dtype == "int8"
            assert getattr(cell, f"{one}_scale").shape == getattr(cell, one).shape[1:]
    difference = np.abs(layer(x, mask=mask) - expected).max()
    assert 0 < difference < 0.1 * np.abs(expected).max()


@every_architecture
@pytest.mark.parametrize("go_backwards", [False, True])
def test_the_native_kernel_computes_the_same(name, go_backwards, native, monkeypatch):
    if go_backwards and architectures.get(name).bidirectional:
        pytest.skip("it reads both directions")
    layer = quantized(name, go_backwards=go_backwards, units=37)
    one = getattr(layer, "forward_layer", layer)
    found = {}
    for batch in (1, 5):
        x, mask = random_input(batch)
        for choice in ("native", "keras"):
            monkeypatch.setenv("ZOO_KERNEL", choice)
            found[choice] = layer(x, mask=mask)
            assert one.last_kernel == choice
        np.testing.assert_allclose(found["native"], found["keras"], atol=1e-5)


@every_architecture
def test_a_model_is_saved_and_loaded(name, tmp_path):
    model = keras.Sequential([keras.Input((None, 19)), build(name), keras.layers.Dense(2)])
    x, _ = random_input()
    model.save(tmp_path / "float32.keras")
    before = keras.models.load_model(tmp_path / "float32.keras").get_weights()
    with pytest.warns(UserWarning, match="InputLayer does not have a `quantize` method"):
        model.quantize("int8")
    expected = model(x)
    model.save(tmp_path / "int8.keras")
    loaded = keras.models.load_model(tmp_path / "int8.keras")
    np.testing.assert_array_equal(loaded(x), expected)
    assert len(loaded.weights) > len(before)
    for cell in cells(loaded.layers[0]):
        assert cell.dtype_policy.name == "int8_from_float32"
        assert cell.kernel.dtype == "int8"


def test_the_file_is_a_quarter(tmp_path):
    model = keras.Sequential([keras.Input((None, 128)), zoo.layers.LSTM(256)])
    model.save_weights(tmp_path / "float32.weights.h5")
    model.layers[0].quantize("int8")
    model.save_weights(tmp_path / "int8.weights.h5")
    sizes = [(tmp_path / f"{name}.weights.h5").stat().st_size for name in ("int8", "float32")]
    assert 0.24 < sizes[0] / sizes[1] < 0.29


def test_a_layer_is_built_quantized():
    layer = zoo.layers.LSTM(4, dtype="int8_from_float32")
    x, _ = random_input()
    layer(x)
    assert layer.cell.kernel.dtype == "int8"
    assert layer.get_config()["dtype"]["config"]["mode"] == "int8"
    again = zoo.layers.LSTM.from_config(layer.get_config())
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), layer(x))


def test_mixed_precision_keeps_its_output_type(native):
    layer = build("gru", dtype="mixed_bfloat16")
    x, _ = random_input()
    expected = keras.ops.cast(layer(x), "float32")
    layer.quantize("int8")
    found = layer(x)
    assert found.dtype == tf.bfloat16
    assert np.abs(keras.ops.cast(found, "float32") - expected).max() < 0.05


def test_a_gradient_passes_through(native):
    layer = build("lstm")
    x, _ = random_input()

    def gradient():
        tensor = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(tensor)
            loss = tf.reduce_sum(tf.sin(layer(tensor)))
        return tape.gradient(loss, [tensor, layer.cell.bias.value])

    expected = gradient()
    layer.quantize("int8")
    for found, value in zip(gradient(), expected, strict=True):
        assert 0 < np.abs(found - value).max() < 0.1 * np.abs(value).max()
    assert layer.last_kernel_reason == "the kernel of quantized weights has no gradient"
    traced = tf.function(lambda x: layer(x))
    traced(tf.constant(x))
    assert layer.last_kernel == "native"
    with (
        pytest.raises(NotImplementedError, match="Trace the function again"),
        tf.GradientTape() as tape,
    ):
        tape.gradient(tf.reduce_sum(traced(tf.constant(x))), layer.cell.bias.value)


@pytest.mark.parametrize("option", ["dropout", "recurrent_dropout", "recurrent_weight_dropout"])
def test_dropout_works(option, native):
    layer = quantized("lstm", seed=1, **{option: 0.5})
    x, _ = random_input()
    inference, training = layer(x), layer(x, training=True)
    assert np.abs(inference - training).max() > 0.05
    if option == "recurrent_weight_dropout":
        reason = "recurrent_weight_dropout drops quantized weights"
        assert layer.last_kernel_reason == reason


def test_nan_and_infinite_inputs_are_seen(native):
    for value in (np.nan, np.inf):
        layer = quantized("rnn", activation="linear")
        x, _ = random_input()
        x[2, 3, 4] = value
        y = np.asarray(layer(x))
        assert not np.isfinite(y[2, 3]).all()
        assert np.isfinite(y[[0, 1, 3, 4]]).all()


def test_what_cannot_be_quantized_says_so():
    layer = build("lstm")
    with pytest.raises(NotImplementedError, match="quantization_mode=float8"):
        layer.quantize("float8")
    config = keras.quantizers.Int8QuantizationConfig(activation_quantizer=None)
    with pytest.raises(NotImplementedError, match="inputs with an AbsMaxQuantizer"):
        layer.quantize(config=config)
    layer.quantize("int8")
    with pytest.raises(ValueError, match="already quantized"):
        layer.quantize("int8")
    with pytest.raises(ValueError, match="isn't yet built"):
        zoo.layers.LSTM(4).quantize("int8")

    class Cell(zoo.layers.LSTMCell):
        def step(self, projected, states, recur):
            return super().step(projected @ self.kernel, states, recur)

    cell = Cell(4)
    cell.build((None, 16))
    with pytest.raises(NotImplementedError, match="Cell does not have a `quantize` method"):
        cell.quantize("int8")


def test_gates_are_those_of_the_quantized_layer():
    layer = quantized("gru")
    x, mask = random_input()
    np.testing.assert_allclose(layer.gates(x, mask=mask)["h"], layer(x, mask=mask), atol=1e-5)
