"""Python interface of the native kernels: LSTM, GRU and SimpleRNN on the CPU.

The environment variable `ZOO_KERNEL` selects the kernel. `auto`, the default, uses the native
kernels if they are compiled or can be compiled; otherwise it logs one warning and uses Keras.
`native` raises an error instead. `keras` never uses the native kernels.

A graph with native kernels, such as an exported SavedModel, loads only after this package was
imported and `load()` was called. To export a graph that loads anywhere, set `ZOO_KERNEL=keras`.
"""

import logging
import os
import threading

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.eager import record
    from tensorflow.python.ops import control_flow_util

    do_not_convert = tf.autograph.experimental.do_not_convert
else:
    do_not_convert = lambda function: function

_ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu")
_STATES = {"lstm": 2, "gru": 1, "simple_rnn": 1}
_CHOICES = ("auto", "native", "keras")

_lock = threading.Lock()
_ops = None  # the loaded library
_failure = None  # the error that prevented loading


@do_not_convert
def run(
    family,
    sequences,
    initial_state,
    mask=None,
    *,
    kernel,
    recurrent_kernel,
    bias=None,
    activation="tanh",
    recurrent_activation="sigmoid",
    go_backwards=False,
    return_sequences=False,
    zero_output_for_mask=False,
):
    """Runs a recurrent layer over its sequences if the native kernels support it.

    Masks may have any pattern, and masked steps cost nothing. The result is differentiable in the
    sequences, the weights and the initial state.

    Args:
        family: `"lstm"`, `"gru"` (with the reset gate after the product) or `"simple_rnn"`.
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: List of tensors of shape `(batch, units)`: h, and c for LSTM.
        mask: Boolean tensor of shape `(batch, time)` or `None`.
        kernel: Weights of shape `(features, num_blocks * units)`, in Keras' order.
        recurrent_kernel: Weights of shape `(units, num_blocks * units)`.
        bias: Weights of shape `(num_blocks * units,)`, for GRU `(2, num_blocks * units)`, or
            `None`.
        activation: A function of `keras.activations` or its name.
        recurrent_activation: The same, for the gates.
        go_backwards: Whether to start at the last step, and return outputs in that order.
        return_sequences: Whether to return the outputs of all steps.
        zero_output_for_mask: Whether a masked step outputs zeros instead of the previous output.

    Returns:
        What `keras.layers.RNN.inner_loop` returns: the last output, `(batch, units)`; all
        outputs, `(batch, time, units)`, or the last one again, `(batch, 1, units)`, without
        `return_sequences`; and the list of the last states. `None` if the native kernels do not
        apply (see `decline_reason`) or are not available.

    Raises:
        RuntimeError: If `ZOO_KERNEL=native` and the native kernels are not available.
        ValueError: If the value of `ZOO_KERNEL` is unknown.
    """
    if decline_reason(family, sequences, activation, recurrent_activation) or not available():
        return None
    dtype = sequences.dtype
    as_tensor = lambda value: keras.ops.convert_to_tensor(value, dtype=dtype.name)
    initial_state = [as_tensor(state) for state in initial_state]
    result = _ops.zoo_recurrence(
        sequences,
        as_tensor(kernel),
        as_tensor(recurrent_kernel),
        tf.zeros([0], dtype) if bias is None else as_tensor(bias),
        tf.zeros([0, 0], tf.bool) if mask is None else tf.cast(mask, tf.bool),
        initial_state,
        family=family,
        activation=_name(activation),
        recurrent_activation=_name(recurrent_activation),
        go_backwards=go_backwards,
        zero_output_for_mask=zero_output_for_mask,
        return_sequences=return_sequences,
        # Without a tape a gradient is unlikely. If one is needed after all, `_gradient` runs the
        # forward pass again.
        save=record.could_possibly_record(),
    )
    outputs = result.outputs if return_sequences else result.last[:, None]
    return result.last, outputs, list(result.state)


def decline_reason(family, sequences, activation="tanh", recurrent_activation="sigmoid"):
    """Returns why the native kernels do not apply to this call, or `None` if they do.

    It does not check that they can be compiled; see `available`.
    """
    if _choice() == "keras":
        return "ZOO_KERNEL=keras"
    if keras.backend.backend() != "tensorflow":
        return f"the Keras backend is {keras.backend.backend()}"
    if family not in _STATES:
        return f"there is no kernel for {family}"
    if sequences.dtype not in (tf.float32, tf.float64):
        return f"the data type is {sequences.dtype.name}"
    for function in (activation, recurrent_activation):
        if _name(function) is None:
            return f"there is no kernel for the activation {function}"
    if tf.config.list_logical_devices("GPU"):
        return "there is a GPU"
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return "XLA compiles this graph"
    return None


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
    global _ops, _failure
    with _lock:
        if _ops is None and _failure is None:
            try:
                _ops = _load()
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

    try:
        ops = tf.load_op_library(str(build()))
    except (tf.errors.OpError, ImportError) as error:
        raise RuntimeError(f"the compiled kernels cannot be loaded: {error}") from error
    tf.RegisterGradient("ZooRecurrence")(_gradient)
    tf.RegisterGradient("ZooRecurrenceGrad")(_second_gradient)
    return ops


def _gradient(op, *gradients):
    attributes = {
        name: op.get_attr(name)
        for name in (
            "family",
            "activation",
            "recurrent_activation",
            "go_backwards",
            "zero_output_for_mask",
            "return_sequences",
        )
    }
    *weights, mask = op.inputs[:5]
    initial_state = list(op.inputs[5:])
    _, outputs, saved = op.outputs[:3]
    if not op.get_attr("save"):
        rerun = _ops.zoo_recurrence(*weights, mask, initial_state, save=True, **attributes)
        outputs, saved = rerun.outputs, rerun.saved
    d_last, d_outputs, _, *d_state = gradients
    result = _ops.zoo_recurrence_grad(
        *weights,
        mask,
        initial_state,
        outputs,
        saved,
        d_last,
        d_outputs,
        d_state,
        **attributes,
    )
    d_weights = [result.d_x, result.d_kernel, result.d_recurrent_kernel, result.d_bias]
    return [*d_weights, None, *result.d_initial_state]


def _second_gradient(op, *gradients):
    raise NotImplementedError(
        "The native recurrent kernels have no second derivative. Build the layer with "
        "unroll=True, or set ZOO_KERNEL=keras."
    )


def _choice():
    choice = os.environ.get("ZOO_KERNEL", "auto")
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
