"""The native kernels as calls of XLA's foreign function interface, on the CPU."""

import dataclasses
import functools

import jax
import jaxlib
from jax import numpy as jnp
from jax.interpreters.ad import JVPTracer

from zoo.layers import kernels
from zoo.layers.kernels import c_interface
from zoo.layers.kernels.c_interface import Array

SOURCES = ("jax_handlers.cc", "c_interface.cc")
VERSION = f"jaxlib {jaxlib.__version__}"
_TARGETS = ("ZooRecurrence", "ZooRecurrenceGrad")
# Modules whose functions trace a function to write it into a file.
_EXPORTERS = ("keras.src.export.", "jax._src.export.", "jax.experimental.jax2tf.")


def compile_flags():
    """Returns the compiler's flags for the headers of jaxlib."""
    return ["-std=c++17", "-pthread", f"-I{jax.ffi.include_dir()}"]


def link_flags():
    """Returns the compiler's flags for libraries."""
    return []


def load(library):
    """Loads the compiled library, registers its handlers, and returns a `c_interface.Library`.

    Raises:
        OSError: If it cannot be loaded.
    """
    loaded = c_interface.Library(library)
    for name in _TARGETS:
        handler = jax.ffi.pycapsule(getattr(loaded.functions, name))
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return loaded


def device_reason(sequences):
    """Returns why the kernels can't run where the tensor is, or `None` if they can."""
    platform = jax.default_backend()
    return None if platform == "cpu" else f"there is a {platform.upper()}"


def graph_reason():
    """Returns why the traced function can't contain a native call, or `None` if it can."""
    return "this graph is exported" if kernels.is_called_from(_EXPORTERS) else None


def run(library, options, sequences, mask, weights, initial_state, draw, quantized):
    """See `zoo.layers.kernels.bindings`.

    Raises:
        kernels.Declined: If matrices are quantized, or JAX differentiates the call in forward mode.
            Inside a function that `jax.jit` compiles, this isn't known, and JAX raises a
            `TypeError`.
    """
    if quantized:
        raise kernels.Declined("there is no kernel for quantized weights on JAX")
    if any(isinstance(tensor, JVPTracer) for tensor in (sequences, *weights, *initial_state)):
        raise kernels.Declined("forward-mode differentiation has the tangent of an input")
    nothing = jnp.zeros(0, sequences.dtype)
    return _recurrence(
        library,
        options,
        sequences,
        jnp.zeros((0, 0), bool) if mask is None else mask,
        [nothing if weight is None else weight for weight in weights],
        initial_state,
        draw() if draw else [],
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _recurrence(library, options, *inputs):
    results, _ = _forward(library, options, *inputs, save=False)
    return results


def _forward(library, options, *inputs, save=True):
    """Returns the results, and what the gradient needs."""
    sequences, _, _, states, _ = inputs
    batch, time, _ = sequences.shape
    h = states[0].shape[1]
    shapes = [
        (batch, h),
        (batch, time if options.return_sequences else 0, h),
        (_saved_size(library, options, *inputs) if save else 0,),
        *(state.shape for state in states),
    ]
    last, outputs, saved, *last_states = _call("ZooRecurrence", tuple(shapes), options, inputs)
    return (last, outputs, last_states), (inputs, outputs, saved)


def _backward(library, options, residuals, d_results):
    """Returns the gradients of all inputs, `None` for those that are not differentiable."""
    inputs, outputs, saved = residuals
    d_last, d_outputs, d_states = d_results
    sequences, _, weights, states, _ = inputs
    shapes = tuple(tensor.shape for tensor in (sequences, *weights, *states))
    others = (outputs, saved, d_last, d_outputs, *d_states)
    d_x, *rest = _call("ZooRecurrenceGrad", shapes, options, inputs, *others)
    return d_x, None, rest[: len(weights)], rest[len(weights) :], None


_recurrence.defvjp(_forward, _backward)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def _call(target, shapes, options, inputs, *others):
    """Calls a handler of the library, whose results have these shapes."""
    sequences, mask, weights, states, drawn = inputs
    results = [jax.ShapeDtypeStruct(shape, sequences.dtype) for shape in shapes]
    call = jax.ffi.ffi_call(target, results, vmap_method="sequential")
    return call(
        sequences,
        mask,
        *weights,
        *states,
        *drawn,
        *others,
        **dataclasses.asdict(options),
        weights=len(weights),
        states=len(states),
        drawn=len(drawn),
    )


@_call.defjvp
def _second_derivative(target, shapes, options, primals, tangents):
    raise NotImplementedError(
        "The native recurrent kernels have no second derivative. "
        "Build the layer with `unroll=True`, or set ZOO_KERNEL=keras."
    )


def _saved_size(library, options, sequences, mask, weights, states, drawn):
    """Returns the size of what the gradient needs from the kernel."""
    of = lambda arrays: [Array(array.shape) for array in arrays]
    return library.saved_size(
        c_interface.Call(
            options,
            sequences.dtype.itemsize,
            *of([sequences, mask]),
            of(weights),
            of(states),
            of(drawn),
        )
    )
