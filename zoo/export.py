"""Export of a model's network, without its preprocessor, for other runtimes."""

import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

from zoo.files import explain_full_disk


class ExportError(ValueError):
    """A model can't be exported in that format; the message says why."""


def export(model, path, format, length=None):
    """Writes a model's network for another runtime.

    The exported network takes the preprocessor's output and returns the model's: a classifier
    returns `probabilities`. The inputs of a text model are `token_ids`, int32 `[batch, time]`,
    those of an audio model `audio`, float32, or `frames` of a recogniser without a front end, and
    all take `padding_mask`, bool `[batch, time]`. Of a language model, one step is exported:
    `token_ids`, int32 `[batch]`, and the states before it in, `logits` and the states after it out;
    `tflite` returns them in the order of their names. Batch and time may vary, except in `tflite`,
    which fixes them to 1 and `length`. The network contains no native kernels, so it runs without
    the zoo.

    Args:
        model: a model of the zoo, such as `zoo.load` returns.
        path: where to write: a folder for `savedmodel`, otherwise a file. It must not exist.
        format: `"savedmodel"`; `"onnx"`, which needs the package tf2onnx; or `"tflite"`, which
            uses builtin operators only.
        length: int, for `tflite` only: subwords, frames or samples of the input, which the caller
            pads to it. By default 128 subwords or frames, or one second of a waveform.

    Raises:
        ExportError: the format is unknown, or the model can't be exported in it; the path exists,
            or its folder doesn't; tf2onnx isn't installed; or `length` isn't positive, or given
            for another format.
        OSError: the path can't be written, as on a full disk.
    """
    path = Path(path)
    if format not in FORMATS:
        raise ExportError(f"Unknown format {format!r}. Known: {', '.join(FORMATS)}.")
    if obstacle := model.export_obstacle(format):
        raise ExportError(obstacle)
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
    with (
        mock.patch.dict(os.environ, ZOO_KERNEL="keras"),
        tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder,
    ):
        written = Path(folder, path.name)
        try:
            _WRITERS[format](network, model.output_name, written, length)
        except Exception as error:
            explain_full_disk(error, path.absolute().parent)
            raise
        shutil.move(written, path)


def _savedmodel(network, output_name, path, length):
    network.export(str(path), format="tf_saved_model", verbose=False)


def _onnx(network, output_name, path, length):
    try:
        import tf2onnx
    except ImportError as error:
        raise ExportError("ONNX needs tf2onnx. Try: pip install tf2onnx") from error
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


_WRITERS = {"savedmodel": _savedmodel, "onnx": _onnx, "tflite": _tflite}
FORMATS = tuple(_WRITERS)
