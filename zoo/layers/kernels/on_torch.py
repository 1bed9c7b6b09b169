"""The native kernels as functions of torch, on tensors of the CPU."""

import torch
from torch.autograd import forward_ad

from zoo.layers import kernels
from zoo.layers.kernels import c_interface
from zoo.layers.kernels.c_interface import Array

SOURCES = ("c_interface.cc",)
VERSION = "C"


def compile_flags():
    """Returns the compiler's flags for the sources."""
    return ["-std=c++17", "-pthread"]


def link_flags():
    """Returns the compiler's flags for libraries."""
    return []


def load(library):
    """Loads the compiled library, and returns a `c_interface.Library`.

    Raises:
        OSError: If it cannot be loaded.
    """
    return c_interface.Library(library)


def device_reason(sequences):
    """Returns why the kernels can't run where the tensor is, or `None` if they can."""
    # A tensor on `meta` has only a shape.
    return None if sequences.device.type in ("cpu", "meta") else "there is a GPU"


def graph_reason():
    """Returns why the traced graph can't contain a native operation, or `None` if it can."""
    if torch.compiler.is_exporting() or torch.jit.is_tracing():
        return "this graph is exported"
    return "torch compiles this graph" if torch.compiler.is_compiling() else None


def run(library, options, sequences, mask, weights, initial_state, draw, quantized):
    """See `zoo.layers.kernels.bindings`.

    Raises:
        kernels.Declined: If torch differentiates the call in forward mode, if a function of
            `torch.func` transforms it, or if a tensor isn't a plain one of the CPU.
    """
    if sequences.device.type == "meta":
        return _empty_results(options, sequences, initial_state)
    if torch._C._are_functorch_transforms_active():
        raise kernels.Declined("torch.func transforms this call")
    nothing = sequences.new_empty(0)
    weights = [nothing if weight is None else weight for weight in weights]
    tensors = [sequences, *weights, *initial_state]
    for tensor in tensors if mask is None else [*tensors, mask]:
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            raise kernels.Declined(f"a tensor is of the class {type(tensor).__name__}")
        if tensor.device.type != "cpu":
            raise kernels.Declined("there is a GPU")
        if forward_ad.unpack_dual(tensor).tangent is not None:
            raise kernels.Declined("forward-mode differentiation has the tangent of an input")
    tensors += draw() if draw else []
    call = _Call(library, options, mask, len(weights), len(initial_state), quantized)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        if quantized:
            raise kernels.Declined("the kernel of quantized weights has no gradient")
        last, outputs, *states = _Recurrence.apply(call, *tensors)
    else:
        (last, outputs, *states), _ = call.forward(tensors, save=False)
    return last, outputs, states


class _Call:
    """A call of the kernels, without its tensors.

    These are in one list: the sequences, the weights, the initial states and what is drawn.
    """

    def __init__(self, library, options, mask, weight_count, state_count, quantized):
        self.library = library
        self.options = options
        self.mask = torch.empty((0, 0), dtype=torch.bool) if mask is None else mask.contiguous()
        self.weight_count = weight_count
        self.state_count = state_count
        self.quantized = [one.values.contiguous() for one in quantized]
        self.scales = [one.scale.contiguous() for one in quantized]

    def forward(self, tensors, save):
        """Returns the last output, the outputs and the last states; and what to save."""
        call, tensors = self._prepare(tensors)
        sequences, _, states, _ = tensors
        saved = sequences.new_empty(self.library.saved_size(call) if save else 0)
        last, outputs, last_states = _empty_results(self.options, sequences, states)
        results = c_interface.Results(
            _array(last), _array(outputs), _array(saved), _arrays(last_states)
        )
        self.library.forward(call, results)
        return [last, outputs, *last_states], saved

    def backward(self, tensors, outputs, saved, d_results):
        """Returns the gradients of the sequences, the weights and the initial states."""
        call, tensors = self._prepare(tensors)
        sequences, weights, states, _ = tensors
        d_last, d_outputs, *d_states = (gradient.contiguous() for gradient in d_results)
        d_x, d_weights, d_initial = (
            [torch.empty_like(tensor) for tensor in part] for part in ([sequences], weights, states)
        )
        gradients = c_interface.Gradients(
            _array(outputs),
            _array(saved),
            _array(d_last),
            _array(d_outputs),
            _arrays(d_states),
            _array(*d_x),
            _arrays(d_weights),
            _arrays(d_initial),
        )
        self.library.backward(call, gradients)
        return *d_x, *d_weights, *d_initial

    def _prepare(self, tensors):
        """Returns the `c_interface.Call`, and the tensors by kind.

        The call holds pointers to these tensors, which may be copies: it is valid while they exist.
        """
        sequences, *rest = (tensor.contiguous() for tensor in tensors)
        ends = self.weight_count, self.weight_count + self.state_count
        weights, states, drawn = rest[: ends[0]], rest[slice(*ends)], rest[ends[1] :]
        call = c_interface.Call(
            self.options,
            sequences.element_size(),
            _array(sequences),
            _array(self.mask),
            _arrays(weights),
            _arrays(states),
            _arrays(drawn),
            torch.get_num_threads(),
            _arrays(self.quantized),
            _arrays(self.scales),
        )
        return call, (sequences, weights, states, drawn)


class _Recurrence(torch.autograd.Function):
    """The recurrence, with its gradient."""

    @staticmethod
    def forward(context, call, *tensors):
        results, saved = call.forward(tensors, save=True)
        context.call = call
        context.save_for_backward(results[1], saved, *tensors)
        return tuple(results)

    @staticmethod
    def backward(context, *d_results):
        outputs, saved, *tensors = context.saved_tensors
        gradients = _Gradient.apply(
            context.call, outputs, saved, len(d_results), *d_results, *tensors
        )
        drawn = len(tensors) - len(gradients)
        return None, *gradients, *[None] * drawn


class _Gradient(torch.autograd.Function):
    """The gradient of the recurrence, which can't be differentiated again."""

    @staticmethod
    def forward(context, call, outputs, saved, count, *tensors):
        return call.backward(tensors[count:], outputs, saved, tensors[:count])

    @staticmethod
    def backward(context, *_):
        raise NotImplementedError(
            "The native recurrent kernels have no second derivative. "
            "Build the layer with `unroll=True`, or set ZOO_KERNEL=keras."
        )


def _empty_results(options, sequences, states):
    """Returns uninitialised tensors for the last output, the outputs and the last states."""
    batch, time, _ = sequences.shape
    h = states[0].shape[1]
    outputs = sequences.new_empty(batch, time if options.return_sequences else 0, h)
    return sequences.new_empty(batch, h), outputs, [torch.empty_like(state) for state in states]


def _array(tensor):
    return Array(tensor.shape, tensor.data_ptr())


def _arrays(tensors):
    return [_array(tensor) for tensor in tensors]
