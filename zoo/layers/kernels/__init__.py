"""Python interface of the native kernels, which run recurrent layers on the CPU.

The environment variable `ZOO_KERNEL` selects the kernel. `auto`, the default, uses the native
kernels if they are compiled or can be compiled; otherwise it logs one warning and uses Keras.
`native` raises an error instead. `keras` never uses the native kernels.

The module `on_<backend>` binds the kernels to a backend of Keras, and `bindings` chooses it. A
graph that an exporter traces, such as `model.export`, contains no native kernels, so it loads
anywhere. A `tf.function` that was traced before keeps them: it loads only where this package was
imported and `load()` was called.
"""

import dataclasses
import logging
import os
import sys
import threading
from pathlib import Path

import keras

from zoo.layers.kernels import c_interface
from zoo.layers.kernels.bindings import binding
from zoo.layers.quantization import QuantizedMatrix

_ACTIVATIONS = ("linear", "tanh", "sigmoid", "relu")
_CHOICES = ("auto", "native", "keras")

# The names of the native cells; each has its own header.
CELLS = tuple(sorted(path.stem for path in Path(__file__).with_name("cells").glob("*.h")))

_lock = threading.Lock()
_ops = None  # the loaded library
_failure = None  # the error that prevented loading
_has_bfloat16_products = False


class Declined(Exception):
    """The native kernels do not apply to a call; the message gives the reason."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The settings of a call, besides its tensors; `run` documents each.

    Attributes:
        cell: One of `CELLS`.
        activation: The name of an activation that the kernels support.
        recurrent_activation: The same.
        go_backwards: bool.
        zero_output_for_mask: bool.
        return_sequences: bool.
        in_bfloat16: bool, whether the operands of float32 products are rounded to bfloat16.
    """

    cell: str
    activation: str
    recurrent_activation: str
    go_backwards: bool
    zero_output_for_mask: bool
    return_sequences: bool
    in_bfloat16: bool = False


do_not_convert = getattr(binding, "do_not_convert", lambda function: function)


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
            All matrices may be of the type `QuantizedMatrix`; then there is no gradient.
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
            available, or the transformation of a tensor is one that they don't support.
        RuntimeError: If `ZOO_KERNEL=native` and the native kernels are not available.
        ValueError: If the value of `ZOO_KERNEL` is unknown.
    """
    if reason := decline_reason(cell, sequences, activation, recurrent_activation):
        raise Declined(reason)
    if not available():
        raise Declined(f"the native kernels are not available: {_failure}")
    of_result = dtype = keras.backend.standardize_dtype(sequences.dtype)
    matrices = [weight for weight in weights if isinstance(weight, QuantizedMatrix)]
    if dtype == "bfloat16":
        if not matrices and not _has_bfloat16_products:
            raise Declined("the processor has no matrix products of bfloat16")
        dtype = "float32"
        sequences = keras.ops.cast(sequences, dtype)
    if matrices and dtype != "float32":
        raise Declined(f"there is no kernel for quantized weights and the data type {dtype}")
    as_tensors = lambda values: [
        value if value is None else keras.ops.convert_to_tensor(value, dtype=dtype)
        for value in values
    ]
    options = Options(
        cell,
        _name(activation),
        _name(recurrent_activation),
        bool(go_backwards),
        bool(zero_output_for_mask),
        bool(return_sequences),
        of_result == "bfloat16" and not matrices,
    )
    last, outputs, state = binding.run(
        _ops,
        options,
        sequences,
        None if mask is None else keras.ops.cast(mask, "bool"),
        as_tensors(weight for weight in weights if not isinstance(weight, QuantizedMatrix)),
        as_tensors(initial_state),
        draw and (lambda: as_tensors(draw())),
        [QuantizedMatrix(one.values, *as_tensors([one.scale])) for one in matrices],
    )
    last, outputs, *state = (keras.ops.cast(one, of_result) for one in (last, outputs, *state))
    return last, outputs if return_sequences else last[:, None], state


def decline_reason(cell, sequences, activation="tanh", recurrent_activation="sigmoid"):
    """Returns why the native kernels do not apply to this call, or `None` if they do.

    It does not check that they can be compiled; see `available`.
    """
    if _choice() == "keras":
        return "ZOO_KERNEL=keras"
    if binding is None:
        return f"the Keras backend is {keras.backend.backend()}"
    if cell not in CELLS:
        return f"there is no kernel for {cell}"
    dtype = keras.backend.standardize_dtype(sequences.dtype)
    if dtype not in ("float32", "float64", "bfloat16"):
        return f"the data type is {dtype}"
    for function in (activation, recurrent_activation):
        if _name(function) is None:
            return f"there is no kernel for the activation {function}"
    return binding.device_reason(sequences) or graph_reason()


def graph_reason():
    """Returns why the traced graph can't contain a native operation, or `None` if it can."""
    return binding.graph_reason() if binding else None


def is_called_from(modules):
    """Returns whether a function of a module whose name starts so is being called."""
    frame = sys._getframe()
    while frame:
        if frame.f_globals.get("__name__", "").startswith(modules):
            return True
        frame = frame.f_back
    return False


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
    from zoo.layers.kernels.build import build

    library = build()
    try:
        return binding.load(library), c_interface.has_bfloat16_products(library)
    except (OSError, ImportError) as error:
        raise RuntimeError(f"the compiled kernels cannot be loaded: {error}") from error


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
