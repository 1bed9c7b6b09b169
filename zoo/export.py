"""Pretrained models for other runtimes: the network, without the text that goes in and out."""

import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock


class ExportError(ValueError):
    """A model can't be exported in that format here; the message says why."""


def export(model, path, format, length=None):
    """Writes a classifier's network for another runtime.

    What is exported takes what the preprocessor gives, and gives probabilities: of text
    `token_ids`, int32 `[batch, time]`, of sound `audio`, float32, and with both `padding_mask`,
    bool `[batch, time]`. Batch and time may vary, but for `tflite`, where they are 1 and `length`.
    It has no native kernels, so that it runs where the zoo isn't.

    Args:
        model: a classifier of the zoo, such as `zoo.load` returns.
        path: where to write: a folder for `savedmodel`, else a file. It must not exist.
        format: `"savedmodel"`; `"onnx"`, which needs the package tf2onnx; or `"tflite"`, with its
            builtin operators alone.
        length: int, of `tflite` alone: subwords, frames or samples of the input, which is to be
            padded to it. By default 128 subwords or frames, or one second.

    Raises:
        ExportError: for a translator, whose search isn't one network; an unknown format; a path
            that exists, or whose folder doesn't; `onnx` without tf2onnx, or of a model that takes
            waveforms; a length that isn't positive, or of another format.
    """
    import keras

    path = Path(path)
    if format not in FORMATS:
        raise ExportError(f"Unknown format {format!r}. Known: {', '.join(FORMATS)}.")
    if hasattr(model, "generate"):
        raise ExportError(
            "A translator can't be exported: its search for the best answer isn't one network. "
            "Use zoo.load, or serve it with MLflow."
        )
    if path.exists():
        raise ExportError(f"{path} exists. Remove it, or give another path.")
    if not path.absolute().parent.is_dir():
        raise ExportError(f"There is no folder {path.parent} to write {path.name} into. Make it.")
    takes_waveforms = getattr(model.backbone, "features", "frames") != "frames"
    if format == "onnx" and takes_waveforms:
        raise ExportError(
            "A model that takes waveforms can't be exported as ONNX: tf2onnx doesn't know the "
            "Fourier transform of its front end. Take savedmodel or tflite."
        )
    if length is not None and (format != "tflite" or length < 1):
        raise ExportError(
            "A length is that of tflite's input, 1 or more. Received: "
            f"length={length}, format={format!r}"
        )
    if length is None:
        length = model.backbone.sampling_rate if takes_waveforms else 128
    network = keras.Model(model.input, model.output)
    with (
        mock.patch.dict(os.environ, ZOO_KERNEL="keras"),
        tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder,
    ):
        made = Path(folder, path.name)
        _WRITERS[format](network, made, length)
        shutil.move(made, path)


def _savedmodel(network, path, length):
    network.export(str(path), format="tf_saved_model", verbose=False)


def _onnx(network, path, length):
    try:
        import tf2onnx
    except ImportError as error:
        raise ExportError("ONNX needs tf2onnx. Try: pip install tf2onnx") from error
    signature = [_specification(x, None, None) for x in network.inputs]
    tf2onnx.convert.from_function(
        _function(network), input_signature=signature, opset=17, output_path=str(path)
    )


def _tflite(network, path, length):
    import tensorflow as tf
    from tensorflow.python.framework import convert_to_constants

    signature = [_specification(x, 1, length) for x in network.inputs]
    traced = _function(network).get_concrete_function(*signature)
    # The loop in time of a frozen graph is TFLite's own; one with variables isn't.
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        traced, lower_control_flow=False
    )
    path.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())


def _function(network):
    """The network as a function of its inputs, in their order, by their names."""
    import tensorflow as tf

    names = [x.name for x in network.inputs]
    call = lambda *inputs: {"probabilities": network(dict(zip(names, inputs, strict=True)))}
    return tf.function(call, autograph=False)


def _specification(x, batch, length):
    import tensorflow as tf

    return tf.TensorSpec((batch, length, *x.shape[2:]), x.dtype, name=x.name)


_WRITERS = {"savedmodel": _savedmodel, "onnx": _onnx, "tflite": _tflite}
FORMATS = tuple(_WRITERS)
