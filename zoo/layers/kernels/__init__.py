"""Python interface of the native kernels, which run recurrent layers on the CPU.

The environment variable `ZOO_KERNEL` selects the kernel. `auto`, the default, uses the native
kernels if they are compiled or can be compiled; otherwise it logs one warning and uses Keras.
`native` raises an error instead. `keras` never uses the native kernels.

A graph that an exporter traces, such as `model.export`, contains no native kernels, so it loads
anywhere. A function that was traced before keeps them: it loads only where this package was
imported and `load()` was called.
"""

import ctypes
import logging
import os
import sys
import threading
from pathlib import Path

import keras

from zoo.layers.quantization import QuantizedMatrix

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.eager import forwardprop_util, record
    from tensorflow.python.ops import control_flow_ops, control_flow_util

    do_not_convert = tf.autograph.experimental.do_not_convert
else:
    do_not_convert = lambda function: function

_ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu")
_CHOICES = ("auto", "native", "keras")
# Modules whose functions trace a graph to write it into a file.
_EXPORTERS = (
    "keras.src.export.",
    "tensorflow.lite.",
    "tensorflow.python.saved_model.save",
    "tf2onnx.",
    "zoo.export",
)

# The names of the native cells; each has a header of its own.
CELLS = tuple(sorted(path.stem for path in Path(__file__).with_name("cells").glob("*.h")))

_lock = threading.Lock()
_ops = None  # the loaded library
_failure = None  # the error that prevented loading
_has_bfloat16_products = False


class Declined(Exception):
    """The native kernels do not apply to a call; the message gives the reason."""


@do_not_convert
def run(
    cell,
    sequences,
    initial_state,
    mask=None,
    *,
    weights,
    draw=None,
    activation="tanh",
    recurrent_activation="sigmoid",
    go_backwards=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    """Runs a recurrent layer over its sequences.

    Masks may have any pattern, and masked steps cost nothing. The result is differentiable in the
    sequences, the weights and the initial state.

    Args:
        cell: One of `CELLS`.
        sequences: Tensor of shape `(batch, time, features)`. If it is bfloat16, the factors of all
            products are rounded to it, and everything else is float32; give weights in float32.
        initial_state: List of tensors of shape `(batch, units)`, the states of the cell. The size
            of its other states may differ from that of its output.
        mask: Boolean tensor of shape `(batch, time)` or `None`.
        weights: List of the kernel, `(features, num_blocks * units)`, with the blocks in the order
            of the layer; the recurrent kernel, `(units, num_blocks * units)`, if the cell has one;
            the bias, `(num_blocks * units,)`, or `(2, num_blocks * units)` if the recurrent product
            has its own, or `None`; and the further weights of the cell, in the order of its header.
            All matrices may be of the type `QuantizedMatrix`.
        draw: Function without arguments that returns the list of what the cell draws at every step,
            each `(time, batch, units)` in the order of processing, or `(1, 1, units)`. `None` for
            cells that draw nothing.
        activation: A function of `keras.activations` or its name.
        recurrent_activation: The same, for the gates.
        go_backwards: Whether to start at the last step, and return outputs in that order.
        return_sequences: Whether to return the outputs of all steps.
        zero_output_for_mask: Whether a masked step outputs zeros instead of the previous output.

    Returns:
        What `keras.layers.RNN.inner_loop` returns: the last output, `(batch, units)`; all
        outputs, `(batch, time, units)`, or the last one again, `(batch, 1, units)`, without
        `return_sequences`; and the list of the last states.

    Raises:
        Declined: If the native kernels do not apply to this call (see `decline_reason`), are not
            available, or a `tf.autodiff.ForwardAccumulator` watches an input.
        RuntimeError: If `ZOO_KERNEL=native` and the native kernels are not available.
        ValueError: If the value of `ZOO_KERNEL` is unknown.
    """
    if reason := decline_reason(cell, sequences, activation, recurrent_activation):
        raise Declined(reason)
    if not available():
        raise Declined(f"the native kernels are not available: {_failure}")
    is_quantized = any(isinstance(weight, QuantizedMatrix) for weight in weights)
    out_dtype, dtype = sequences.dtype, sequences.dtype
    if dtype == tf.bfloat16:
        if not is_quantized and not _has_bfloat16_products:
            raise Declined("the processor has no matrix products of bfloat16")
        dtype = tf.float32
        sequences = tf.cast(sequences, dtype)
    # Keras leaves a variable as it is.
    as_tensor = lambda v: tf.convert_to_tensor(keras.ops.convert_to_tensor(v, dtype=dtype.name))
    initial_state = [as_tensor(state) for state in initial_state]
    scales = [as_tensor(w.scale) for w in weights if isinstance(w, QuantizedMatrix)]
    if is_quantized and record.could_possibly_record():
        raise Declined("the kernel of quantized weights has no gradient")
    weights = [
        w.values
        if isinstance(w, QuantizedMatrix)
        else tf.zeros([0], dtype)
        if w is None
        else as_tensor(w)
        for w in weights
    ]
    if has_tangents([sequences, *weights, *initial_state]):
        raise Declined("a ForwardAccumulator watches an input")
    inputs = [
        sequences,
        tf.zeros([0, 0], tf.bool) if mask is None else tf.cast(mask, tf.bool),
        weights,
        initial_state,
        [as_tensor(drawn) for drawn in draw()] if draw else [],
    ]
    attributes = {
        "cell": cell,
        "activation": _name(activation),
        "recurrent_activation": _name(recurrent_activation),
        "go_backwards": go_backwards,
        "zero_output_for_mask": zero_output_for_mask,
        "return_sequences": return_sequences,
    }
    if is_quantized:
        result = _ops.zoo_quantized_recurrence(*inputs, scales, **attributes)
    else:
        # Without a tape a gradient is unlikely. If one is needed after all, `_gradient` runs the
        # forward pass again.
        result = _ops.zoo_recurrence(
            *inputs,
            in_bfloat16=out_dtype == tf.bfloat16,
            save=record.could_possibly_record(),
            **attributes,
        )
    last = tf.cast(result.last, out_dtype)
    outputs = tf.cast(result.outputs, out_dtype) if return_sequences else last[:, None]
    return last, outputs, [tf.cast(state, out_dtype) for state in result.state]


def decline_reason(cell, sequences, activation="tanh", recurrent_activation="sigmoid"):
    """Returns why the native kernels do not apply to this call, or `None` if they do.

    It does not check that they can be compiled; see `available`.
    """
    if _choice() == "keras":
        return "ZOO_KERNEL=keras"
    if keras.backend.backend() != "tensorflow":
        return f"the Keras backend is {keras.backend.backend()}"
    if cell not in CELLS:
        return f"there is no kernel for {cell}"
    if sequences.dtype not in (tf.float32, tf.float64, tf.bfloat16):
        return f"the data type is {sequences.dtype.name}"
    for function in (activation, recurrent_activation):
        if _name(function) is None:
            return f"there is no kernel for the activation {function}"
    if tf.config.list_logical_devices("GPU"):
        return "there is a GPU"
    return graph_reason()


def graph_reason():
    """Returns why the graph that is traced can hold no native operation, or `None` if it can."""
    if keras.backend.backend() != "tensorflow" or tf.executing_eagerly():
        return None
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return "XLA compiles this graph"
    frame = sys._getframe()
    while frame:
        if frame.f_globals.get("__name__", "").startswith(_EXPORTERS):
            return "this graph is exported"
        frame = frame.f_back
    return None


def has_tangents(tensors):
    """Returns whether a `tf.autodiff.ForwardAccumulator` watches one of the tensors."""
    tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]  # of variables too
    return bool(forwardprop_util.pack_tangents(tensors).tangents)


def available():
    """Returns whether the native kernels are available, after trying to compile and load them.

    Raises:
        RuntimeError: If `ZOO_KERNEL=native` and they are not available.
        ValueError: If the value of `ZOO_KERNEL` is unknown.
    """
    choice = _choice()
    if choice == "keras":
        return False
    try:
        load()
    except RuntimeError:
        if choice == "native":
            raise
        return False
    return True


def load():
    """Loads the native kernels, once per process, and compiles them if they are not cached.

    Raises:
        RuntimeError: If compiling or loading fails. The message gives the reason.
    """
    global _ops, _failure, _has_bfloat16_products
    with _lock:
        if _ops is None and _failure is None:
            try:
                _ops, _has_bfloat16_products = _load()
            except (RuntimeError, OSError) as error:
                _failure = error
                if _choice() == "auto":
                    logging.getLogger("zoo").warning(
                        "Native recurrent kernels are not available, using Keras instead: %s", error
                    )
        if _failure is not None:
            raise RuntimeError(
                f"Native recurrent kernels are not available: {_failure}"
            ) from _failure


def _load():
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"the Keras backend is {keras.backend.backend()}, not tensorflow")
    from zoo.layers.kernels.build import build

    library = str(build())
    try:
        ops = tf.load_op_library(library)
    except (tf.errors.OpError, ImportError) as error:
        raise RuntimeError(f"the compiled kernels cannot be loaded: {error}") from error
    tf.RegisterGradient("ZooRecurrence")(_gradient)
    tf.RegisterGradient("ZooRecurrenceGrad")(_second_gradient)
    tf.RegisterGradient("ZooQuantizedRecurrence")(_no_gradient)
    # XLA can't compile these operations. By default, TensorFlow calls a function that was traced
    # before without tracing it again in an XLA context.
    control_flow_ops.XLAControlFlowContext.RequiresUniqueFunctionRetracing = lambda self: True
    has_bfloat16_products = ctypes.CDLL(library).zoo_has_bfloat16_products
    has_bfloat16_products.restype = ctypes.c_bool
    return ops, has_bfloat16_products()


def _gradient(op, *gradients):
    attributes = {
        name: op.get_attr(name)
        for name in (
            "cell",
            "activation",
            "recurrent_activation",
            "go_backwards",
            "zero_output_for_mask",
            "return_sequences",
            "in_bfloat16",
        )
    }
    sequences, mask, *tensors = op.inputs
    counts = [op.get_attr(name) for name in ("W", "S", "D")]
    tensors = iter(tensors)
    inputs = [sequences, mask, *([next(tensors) for _ in range(count)] for count in counts)]
    _, outputs, saved = op.outputs[:3]
    if not op.get_attr("save"):
        rerun = _ops.zoo_recurrence(*inputs, save=True, **attributes)
        outputs, saved = rerun.outputs, rerun.saved
    d_last, d_outputs, _, *d_state = gradients
    result = _ops.zoo_recurrence_grad(
        *inputs,
        outputs,
        saved,
        d_last,
        d_outputs,
        d_state,
        **attributes,
    )
    d_drawn = [None] * counts[-1]
    return [result.d_x, None, *result.d_weights, *result.d_initial_state, *d_drawn]


def _second_gradient(op, *gradients):
    raise NotImplementedError(
        "The native recurrent kernels have no second derivative, which forward-mode "
        "differentiation of a tf.function needs too. Build the layer with `unroll=True`; or, "
        "unless it is called with `training=True`, set ZOO_KERNEL=keras."
    )


def _no_gradient(op, *gradients):
    raise NotImplementedError(
        "The native kernel of a quantized recurrent layer, in a function that was traced without a "
        "tf.GradientTape, has no gradient. Trace the function again inside of the tape."
    )


def _choice():
    choice = os.environ.get("ZOO_KERNEL") or "auto"
    if choice not in _CHOICES:
        raise ValueError(f"ZOO_KERNEL must be one of {', '.join(_CHOICES)}; received: {choice!r}")
    return choice


def _name(activation):
    """Returns the name of an activation that the kernels support, or `None`."""
    function = keras.activations.get(activation)
    for name in _ACTIVATIONS:
        if function is getattr(keras.activations, name):
            return name
    return None
