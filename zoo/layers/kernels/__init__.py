"""The door to the native kernels: LSTM, GRU and SimpleRNN over whole sequences on the CPU.

`ZOO_KERNEL` chooses: `auto` (the default) takes the native kernels if they can be compiled or are
already, otherwise it says once why not; `native` makes that an error; `keras` never takes them.

A graph that holds them, such as an exported SavedModel, can be loaded where this package is
imported and `load()` was called; to export one for elsewhere, set `ZOO_KERNEL=keras`.
"""

import logging
import os
import threading

import keras

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    from tensorflow.python.eager import record
    from tensorflow.python.ops import control_flow_util

    as_it_is = tf.autograph.experimental.do_not_convert
else:
    as_it_is = lambda function: function

_ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu")
_STATES = {"lstm": 2, "gru": 1, "simple_rnn": 1}
_CHOICES = ("auto", "native", "keras")

_lock = threading.Lock()
_ops = None  # the loaded operations
_failure = None  # why there are none


@as_it_is
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
    """Runs a recurrent layer over its sequences, if the native kernels can do it.

    Masks may be of any form, and masked steps cost nothing. Gradients flow to the sequences, the
    weights and the initial state.

    Args:
        family: `"lstm"`, `"gru"` (its reset gate applied after the product) or `"simple_rnn"`.
        sequences: Tensor of shape `(batch, time, features)`.
        initial_state: List of tensors of shape `(batch, units)`: h, and for LSTM c.
        mask: Boolean tensor of shape `(batch, time)` or `None`.
        kernel: Weights of shape `(features, gates * units)`, as Keras orders them.
        recurrent_kernel: Weights of shape `(units, gates * units)`.
        bias: Weights of shape `(gates * units,)`, for GRU `(2, gates * units)`, or `None`.
        activation: A function of `keras.activations` or its name.
        recurrent_activation: The same, of the gates.
        go_backwards: Whether to begin at the last step, and return outputs in that order.
        return_sequences: Whether outputs of every step are wanted.
        zero_output_for_mask: Whether the output of a masked step is zeros, and not that of the
            step before.

    Returns:
        What `keras.layers.RNN.inner_loop` returns: the last output, `(batch, units)`; all
        outputs, `(batch, time, units)`, or the last again, `(batch, 1, units)`, without
        `return_sequences`; and the list of the last states. `None` if the native kernels are not
        to be taken (see `decline_reason`).

    Raises:
        RuntimeError: If `ZOO_KERNEL=native` and there are no native kernels.
        ValueError: If `ZOO_KERNEL` is none of its values.
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
        # Without a tape nobody is likely to ask for a gradient; who does gets a second forward
        # pass.
        save=record.could_possibly_record(),
    )
    outputs = result.outputs if return_sequences else result.last[:, None]
    return result.last, outputs, list(result.state)


def decline_reason(family, sequences, activation="tanh", recurrent_activation="sigmoid"):
    """Returns why the native kernels are not to be taken for this, or `None` if they may be.

    Whether they can be compiled is another question (see `available`).
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
        return "XLA compiles this"
    return None


def available():
    """Returns whether there are native kernels, after an attempt to compile and load them.

    Raises:
        RuntimeError: If `ZOO_KERNEL=native` and there are none.
        ValueError: If `ZOO_KERNEL` is none of its values.
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
    """Compiles the native kernels if the cache has none, and loads them, once in a process.

    Raises:
        RuntimeError: If that fails; the message says why.
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
                        "No native recurrent kernels, Keras runs instead: %s", error
                    )
        if _failure is not None:
            raise RuntimeError(f"No native recurrent kernels: {_failure}") from _failure


def _load():
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError(f"the Keras backend is {keras.backend.backend()}, not tensorflow")
    from zoo.layers.kernels.build import build

    try:
        ops = tf.load_op_library(str(build()))
    except tf.errors.OpError as error:
        raise RuntimeError(f"the compiled kernels cannot be loaded: {error.message}") from error
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
        again = _ops.zoo_recurrence(*weights, mask, initial_state, save=True, **attributes)
        outputs, saved = again.outputs, again.saved
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
    """The name of an activation that the kernels know, or `None`."""
    function = keras.activations.get(activation)
    for name in _ACTIVATIONS:
        if function is getattr(keras.activations, name):
            return name
    return None
