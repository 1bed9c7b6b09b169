"""The native kernels as TensorFlow operations."""

import dataclasses

import tensorflow as tf
from tensorflow.python.eager import forwardprop_util, record
from tensorflow.python.ops import control_flow_ops, control_flow_util

from zoo.layers import kernels

SOURCES = ("ops.cc", "c_interface.cc")
VERSION = f"tensorflow {tf.__version__}"
# Modules whose functions trace a graph to write it into a file.
_EXPORTERS = (
    "keras.src.export.",
    "tensorflow.lite.",
    "tensorflow.python.saved_model.save",
    "tf2onnx.",
    "zoo.export",
)

do_not_convert = tf.autograph.experimental.do_not_convert


def compile_flags():
    """Returns the compiler's flags for TensorFlow's headers."""
    return tf.sysconfig.get_compile_flags()


def link_flags():
    """Returns the compiler's flags for TensorFlow's library."""
    return tf.sysconfig.get_link_flags()


def load(library):
    """Loads the compiled library, and returns the module of its operations.

    Raises:
        OSError: If it cannot be loaded.
    """
    try:
        ops = tf.load_op_library(str(library))
    except tf.errors.OpError as error:
        raise OSError(str(error)) from error
    tf.RegisterGradient("ZooRecurrence")(lambda op, *gradients: _gradient(ops, op, *gradients))
    tf.RegisterGradient("ZooRecurrenceGrad")(_second_gradient)
    tf.RegisterGradient("ZooQuantizedRecurrence")(_no_gradient)
    # XLA can't compile these operations. By default, TensorFlow calls a function that was traced
    # before without tracing it again in an XLA context.
    control_flow_ops.XLAControlFlowContext.RequiresUniqueFunctionRetracing = lambda self: True
    return ops


def device_reason(sequences):
    """Returns why the kernels can't run where the tensor is, or `None` if they can."""
    return "there is a GPU" if tf.config.list_logical_devices("GPU") else None


def graph_reason():
    """Returns why the traced graph can't contain a native operation, or `None` if it can."""
    if tf.executing_eagerly():
        return None
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return "XLA compiles this graph"
    return "this graph is exported" if kernels.is_called_from(_EXPORTERS) else None


def has_tangents(tensors):
    """Returns whether a `tf.autodiff.ForwardAccumulator` watches one of the tensors."""
    tensors = [tf.convert_to_tensor(tensor) for tensor in tensors]  # of variables too
    return bool(forwardprop_util.pack_tangents(tensors).tangents)


def run(ops, options, sequences, mask, weights, initial_state, draw, quantized):
    """See `zoo.layers.kernels.bindings`.

    Raises:
        kernels.Declined: If a `tf.autodiff.ForwardAccumulator` watches an input, or a tape may ask
            for the gradient with quantized matrices.
    """
    # Keras leaves a variable as it is.
    initial_state = [tf.convert_to_tensor(state) for state in initial_state]
    weights = [
        tf.zeros([0], sequences.dtype) if weight is None else tf.convert_to_tensor(weight)
        for weight in weights
    ]
    if has_tangents([sequences, *weights, *initial_state]):
        raise kernels.Declined("a ForwardAccumulator watches an input")
    # Without a tape, a gradient is unlikely to be needed. If one is needed after all, `_gradient`
    # runs the forward pass again.
    save = record.could_possibly_record()
    if quantized and save:
        raise kernels.Declined("the kernel of quantized weights has no gradient")
    inputs = [
        sequences,
        tf.zeros([0, 0], tf.bool) if mask is None else mask,
        weights,
        initial_state,
        draw() if draw else [],
    ]
    attributes = dataclasses.asdict(options)
    if quantized:
        matrices, scales = zip(*((one.values, one.scale) for one in quantized), strict=True)
        result = ops.zoo_quantized_recurrence(*inputs, matrices, scales, **attributes)
    else:
        result = ops.zoo_recurrence(*inputs, **attributes, save=save)
    return result.last, result.outputs, list(result.state)


def _gradient(ops, op, *gradients):
    attributes = {
        field.name: op.get_attr(field.name) for field in dataclasses.fields(kernels.Options)
    }
    sequences, mask, *tensors = op.inputs
    counts = [op.get_attr(name) for name in ("W", "S", "D")]
    tensors = iter(tensors)
    inputs = [sequences, mask, *([next(tensors) for _ in range(count)] for count in counts)]
    _, outputs, saved = op.outputs[:3]
    if not op.get_attr("save"):
        rerun = ops.zoo_recurrence(*inputs, save=True, **attributes)
        outputs, saved = rerun.outputs, rerun.saved
    d_last, d_outputs, _, *d_state = gradients
    result = ops.zoo_recurrence_grad(
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
