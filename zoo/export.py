"""Pretrained models for other runtimes: the network, without the text that goes in and out."""

import os
import shutil
import tempfile
from pathlib import Path
from unittest import mock

FORMATS = ("savedmodel", "tflite")


class ExportError(ValueError):
    """A model can't be exported in that format here; the message says why."""


def export(model, path, format):
    """Writes a classifier's network for another runtime.

    What is exported takes what the preprocessor gives, and gives probabilities: of text
    `token_ids`, int32 `[batch, time]`, of sound `audio`, float32, and with both `padding_mask`,
    bool `[batch, time]`. Batch and time may vary. It has no native kernels, so that it runs where
    the zoo isn't.

    Args:
        model: a classifier of the zoo, such as `zoo.load` returns.
        path: where to write: a folder for `savedmodel`, else a file. It must not exist.
        format: `"savedmodel"`, or `"tflite"` with TensorFlow's own operators, `Select TF ops`, for
            the loop in time.

    Raises:
        ExportError: for a translator, whose search isn't one network; an unknown format; a path
            that exists.
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
    network = keras.Model(model.input, model.output)
    with (
        mock.patch.dict(os.environ, ZOO_KERNEL="keras"),
        tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder,
    ):
        made = Path(folder, path.name)
        _WRITERS[format](network, made)
        shutil.move(made, path)


def _savedmodel(network, path):
    network.export(str(path), format="tf_saved_model", verbose=False)


def _tflite(network, path):
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        _savedmodel(network, Path(folder, "model"))
        converter = tf.lite.TFLiteConverter.from_saved_model(str(Path(folder, "model")))
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS,
            tf.lite.OpsSet.SELECT_TF_OPS,
        ]
        converter._experimental_lower_tensor_list_ops = False
        path.write_bytes(converter.convert())


_WRITERS = {"savedmodel": _savedmodel, "tflite": _tflite}
