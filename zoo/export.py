"""Export of a model's network, without its preprocessor, for other runtimes."""

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import keras
import numpy as np

from zoo._quiet_start import held_back
from zoo.files import explain_full_disk

if TYPE_CHECKING:  # loading a model imports it, and KerasHub
    from zoo.models.protocol import TaskModel

TOLERANCE = 1e-3  # allowed difference, as a fraction of the largest value or of 1


class ExportError(ValueError):
    """A model can't be exported in that format; the message says why."""


def export(
    model: "TaskModel",
    path: str | os.PathLike[str],
    format: Literal["savedmodel", "onnx", "tflite"],
    length: int | None = None,
) -> None:
    """Writes a model's network for another runtime.

    The exported network takes the preprocessor's output and returns the model's: a classifier
    returns `probabilities`. The inputs of a text model are `token_ids`, int32 `[batch, time]`,
    those of an audio model `audio`, float32, or `frames` of a recogniser without a front end, and
    all take `padding_mask`, bool `[batch, time]`. For a language model, one step is exported:
    `token_ids`, int32 `[batch]`, and the states before it in, `logits` and the states after it out;
    `tflite` returns them in the order of their names. Batch and time may vary, except in `tflite`,
    which fixes them to 1 and `length`. The network contains no native kernels, so it runs without
    the zoo. It is loaded and run once before it is moved to its path.

    Args:
        model: a model of the zoo, such as `zoo.load` returns.
        path: where to write: a folder for `savedmodel`, otherwise a file. It must not exist.
        format: `"savedmodel"`; `"onnx"`, which needs the packages tf2onnx and onnxruntime; or
            `"tflite"`, which uses builtin operators only.
        length: int, for `tflite` only: subwords, frames or samples of the input, which the caller
            pads to it. By default 128 subwords or frames, or one second of a waveform.

    Raises:
        ExportError: the format is unknown, or the model can't be exported in it; the path exists,
            or its folder doesn't; tf2onnx or onnxruntime isn't installed; `length` isn't positive,
            or given for another format; the backend of Keras isn't TensorFlow; or what was written
            can't be loaded, or its outputs differ from the model's.
        OSError: the path can't be written, as on a full disk.
    """
    path = Path(path)
    if format not in FORMATS:
        raise ExportError(f"Unknown format {format!r}. Known: {', '.join(FORMATS)}.")
    if obstacle := model.export_obstacle(format):
        raise ExportError(obstacle)
    if keras.backend.backend() != "tensorflow":
        raise ExportError(
            "Export needs the TensorFlow backend of Keras. Set KERAS_BACKEND=tensorflow. "
            f"Received: backend={keras.backend.backend()}"
        )
    if path.exists():
        raise ExportError(f"{path} exists. Remove it, or choose another path.")
    if not path.absolute().parent.is_dir():
        raise ExportError(
            f"There is no folder {path.parent} to write {path.name} into. Create it first."
        )
    if length is not None and (format != "tflite" or length < 1):
        raise ExportError(
            "`length` is the length of tflite's input, 1 or more. Received: "
            f"length={length}, format={format!r}"
        )
    if length is None:
        length = model.default_length
    network = model.export_network()
    with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        written = Path(folder, path.name)
        try:
            _WRITERS[format](network, model.output_name, written, length)
        except Exception as error:
            explain_full_disk(error, path.absolute().parent)
            raise
        _check(network, written, format, length)
        shutil.move(written, path)


def _check(network, path, format, length):
    """Raises ExportError unless the exported model loads and its outputs are the network's."""
    x = _example(network, 1 if format == "tflite" else 2, length)
    try:
        found = _READERS[format](path, x)
    except Exception as error:
        raise ExportError(
            f"The exported {format} can't be loaded and run: {error}. Nothing was written."
        ) from error
    expected = keras.tree.flatten(network(x))
    for one, other in zip(found, expected, strict=True):
        other = keras.ops.convert_to_numpy(other)
        if not np.allclose(one, other, rtol=0, atol=TOLERANCE * max(1, np.abs(other).max())):
            raise ExportError(
                f"The outputs of the exported {format} differ from the model's by up to "
                f"{np.abs(one - other).max():.2g}. Nothing was written."
            )


def _example(network, batch, length):
    """Inputs of the network: a dict of arrays, with noise, ones, and masks that hide nothing."""
    generator = np.random.default_rng(0)
    inputs = {}
    for x in network.inputs:
        shape = tuple(_specification(x, batch, length).shape)
        is_float = "float" in x.dtype
        values = generator.normal(0, 0.1, shape) if is_float else np.ones(shape)
        inputs[x.name] = values.astype(x.dtype)
    return inputs


def _savedmodel(network, output_name, path, length):
    network.export(str(path), format="tf_saved_model", verbose=False)


def _onnx(network, output_name, path, length):
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx
    except ImportError as error:
        raise ExportError(
            "ONNX needs tf2onnx and onnxruntime. Try: pip install tf2onnx onnxruntime"
        ) from error
    signature = [_specification(x, None, None) for x in network.inputs]
    tf2onnx.convert.from_function(
        _function(network, output_name),
        input_signature=signature,
        opset=17,
        output_path=str(path),
    )


def _tflite(network, output_name, path, length):
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    signature = [_specification(x, 1, length) for x in network.inputs]
    traced = _function(network, output_name).get_concrete_function(*signature)
    # TFLite runs the loop over time with its own operator only if the graph is frozen.
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        traced, lower_control_flow=False
    )
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


def _function(network, output_name):
    """The network as a function of its inputs, in their order."""
    import tensorflow as tf

    names = [x.name for x in network.inputs]

    def call(*inputs):
        outputs = network(dict(zip(names, inputs, strict=True)))
        return outputs if isinstance(outputs, dict) else {output_name: outputs}

    return tf.function(call, autograph=False)


def _specification(x, batch, length):
    import tensorflow as tf

    shape = [batch, length, *x.shape[2:]][: len(x.shape)]
    if len(x.shape) > 1 and x.shape[1] is not None:  # a state has no time
        shape[1] = x.shape[1]
    return tf.TensorSpec(shape, x.dtype, name=x.name)


def _run_savedmodel(path, x):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return keras.tree.flatten(loaded.serve(x))


def _run_onnx(path, x):
    import onnxruntime

    return onnxruntime.InferenceSession(str(path)).run(None, x)


def _run_tflite(path, x):
    import tensorflow as tf

    with warnings.catch_warnings(), held_back():
        warnings.simplefilter("ignore")  # LiteRT is to replace this package
        interpreter = tf.lite.Interpreter(str(path))
        interpreter.allocate_tensors()
    for details in interpreter.get_input_details():
        (name,) = (name for name in x if name in details["name"])
        interpreter.set_tensor(details["index"], x[name])
    interpreter.invoke()
    # Their names end with their numbers.
    outputs = sorted(interpreter.get_output_details(), key=lambda o: (len(o["name"]), o["name"]))
    return [interpreter.get_tensor(output["index"]) for output in outputs]


_WRITERS = {"savedmodel": _savedmodel, "onnx": _onnx, "tflite": _tflite}
_READERS = {"savedmodel": _run_savedmodel, "onnx": _run_onnx, "tflite": _run_tflite}
FORMATS = tuple(_WRITERS)
