"""Models of users are exported without native kernels, so they load where the zoo isn't."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo.layers

WITHOUT_THE_ZOO = """
import sys, warnings
import numpy as np

warnings.simplefilter("ignore")
format, path, x = sys.argv[1], sys.argv[2], np.load(sys.argv[3])
if format == "tf_saved_model":
    import tensorflow as tf
    loaded = tf.saved_model.load(path)
    y = loaded.serve(x)
else:
    import onnxruntime
    session = onnxruntime.InferenceSession(path)
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
assert "zoo" not in sys.modules
np.save(sys.argv[3], y)
"""


pytestmark = pytest.mark.usefixtures("native")


# Keras looks for an attribute of NumPy that older versions of tf2onnx need.
tf2onnx_warns = pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")


def run_without_the_zoo(format, path, x, folder):
    np.save(folder / "x.npy", x)
    command = [sys.executable, "-c", WITHOUT_THE_ZOO, format, str(path), str(folder / "x.npy")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "x.npy")


@tf2onnx_warns
@pytest.mark.parametrize(
    ("format", "name"), [("tf_saved_model", "saved"), ("litert", "m.tflite"), ("onnx", "m.onnx")]
)
def test_keras_exports_a_model_of_a_user_that_loads_without_the_zoo(format, name, tmp_path):
    if format == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("tf2onnx")
    model = keras.Sequential(
        [
            keras.Input((6, 3)),
            keras.layers.Bidirectional(zoo.layers.LSTM(4, return_sequences=True)),
            zoo.layers.GRU(4),
        ]
    )
    x = np.random.default_rng(0).normal(size=(1, 6, 3)).astype("float32")
    expected = model.predict(x, verbose=0)
    assert model.layers[1].last_kernel == "native"
    model.export(str(tmp_path / name), format=format, verbose=False)
    assert model.layers[1].last_kernel_reason == "this graph is exported"
    if format == "litert":  # Keras lets it use operators of TensorFlow, which few runtimes have.
        assert b"ZooRecurrence" not in (tmp_path / name).read_bytes()
        return
    found = run_without_the_zoo(format, tmp_path / name, x, tmp_path)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_tensorflow_saves_a_model_of_a_user_that_loads_without_the_zoo(tmp_path):
    layer = zoo.layers.LSTM(4)
    x = np.random.default_rng(0).normal(size=(1, 6, 3)).astype("float32")
    module = tf.Module()
    module.layer = layer
    expected = layer(x)
    module.serve = tf.function(layer, input_signature=[tf.TensorSpec((None, None, 3))])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    found = run_without_the_zoo("tf_saved_model", tmp_path / "saved", x, tmp_path)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@tf2onnx_warns
@pytest.mark.parametrize("architecture", zoo.layers.architectures.names())
def test_onnx_of_a_fixed_number_of_steps_loads(architecture, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model = keras.Sequential([keras.Input((6, 3)), zoo.layers.architectures.make(architecture, 4)])
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    expected = model.predict(x, verbose=0)
    model.export(str(tmp_path / "m.onnx"), format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"))
    (found,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(found, expected, atol=1e-5)
