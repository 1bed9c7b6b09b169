"""The timed implementations of a recurrent layer, on the backend of Keras in use.

An implementation is a function from a `Problem` to a dict of functions without arguments:
`"inference"` returns the outputs of all steps, `"training"` a list of gradients, the input's first,
and `"padded"` the same with a mask that keeps half of the steps. The dict also has `"kernel"`, the
name of the kernel that ran, if the layer reports it, and `"scale"`, a factor of all times, if it
isn't 1. An implementation that isn't installed raises `ImportError`, and one without the
architecture raises `NotImplementedError`.
"""

import dataclasses
import os
import tempfile
import warnings
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from zoo.layers import architectures

FAMILIES = tuple(
    name for name in architectures.names() if not architectures.get(name).bidirectional
)
TWINS = ("lstm", "gru", "rnn")  # that Keras, torch and ONNX have too
# Zoneout draws, but keeps nothing, so that its numbers can be compared.
OPTIONS = {"lstm_zoneout": {"zoneout_cell": 0.0, "zoneout_output": 0.0}}


@dataclasses.dataclass(frozen=True)
class Problem:
    """A recurrent layer with random weights, a random input and a random output gradient.

    Attributes:
        family: one of `FAMILIES`.
        batch, time, input, units: int, the shape.
    """

    family: str
    batch: int
    time: int
    input: int
    units: int

    def zoo_layer(self, **kwargs):
        """The zoo's layer."""
        options = {**OPTIONS.get(self.family, {}), **kwargs}
        return architectures.make(self.family, self.units, return_sequences=True, **options)

    def keras_layer(self):
        """Keras' layer or, if it has none, Keras' loop around the zoo's cell."""
        if self.family in TWINS:
            name = architectures.get(self.family).layer.__name__
            return getattr(keras.layers, name)(self.units, return_sequences=True)
        return keras.layers.RNN(self.zoo_layer().cell, return_sequences=True)

    def weights(self):
        """A dict from the name of each weight to its float32 values, in the order of the layer."""
        layer, random = self.zoo_layer(), np.random.default_rng(1)
        layer.build((self.batch, self.time, self.input))
        values = {}
        for weight in layer.weights:
            is_product = "kernel" in weight.name and weight.name != "peephole_kernel"
            scale = weight.shape[0] ** -0.5 if is_product else 0.1
            scale *= 0.5 if weight.name == "recurrent_kernel" else 1
            values[weight.name] = (scale * random.normal(size=weight.shape)).astype("float32")
        return values

    def operations(self):
        """The number of multiplications in the products of one step of one row."""
        return sum(w.size for name, w in self.weights().items() if "kernel" in name)

    def arrays(self):
        """The data of the problem, float32.

        Returns:
            `(x, weights, d_outputs)`: the input `[batch, time, input]`, the list of weights in
            the layer's order, and the gradient of the outputs `[batch, time, units]`.
        """
        random = np.random.default_rng(0)
        normal = lambda *shape: random.normal(size=shape).astype("float32")
        return (
            normal(self.batch, self.time, self.input),
            list(self.weights().values()),
            normal(self.batch, self.time, self.units),
        )

    def mask(self):
        """A bool mask `[batch, time]` of sequences whose mean length is half of `time`."""
        lengths = (np.arange(self.batch) + 0.5) * self.time / self.batch
        return np.arange(self.time) < np.ceil(lengths)[:, None]


def zoo(problem):
    """The zoo's layer with the kernel that `ZOO_KERNEL` selects."""
    return _timed(problem, problem.zoo_layer())


def zoo_without_kernel(problem):
    """The zoo's layer without the native kernel."""
    with mock.patch.dict(os.environ, ZOO_KERNEL="keras"):
        return _tensorflow(problem, problem.zoo_layer())


def zoo_int8(problem):
    """The zoo's layer, quantized, which can't train."""
    layer = problem.zoo_layer()
    x, weights, _ = map(_constants, problem.arrays())
    layer.build(x.shape)
    layer.set_weights(weights)
    layer.quantize("int8")
    inference = tf.function(lambda x: layer(x), autograph=False)
    inference(x)
    return {"inference": lambda: inference(x), "kernel": layer.last_kernel}


def zoo_bfloat16(problem):
    """The zoo's layer with the data type policy `mixed_bfloat16`."""
    return _tensorflow(problem, problem.zoo_layer(dtype="mixed_bfloat16"))


def lstm_per_operation(problem):
    """The zoo's LSTM, with its times scaled to the number of operations in the problem's products.

    An architecture that is as fast uses the processor as well as the LSTM does.
    """
    if problem.family == "lstm":
        raise NotImplementedError("it is the LSTM itself")
    lstm = dataclasses.replace(problem, family="lstm")
    return {**zoo(lstm), "scale": problem.operations() / lstm.operations()}


def keras_layer(problem):
    """Keras' layer: in a `tf.function`, compiled by JAX, or in torch's eager mode."""
    return _timed(problem, problem.keras_layer())


def keras_xla(problem):
    """Keras' layer, compiled by XLA."""
    if problem.family not in TWINS:
        raise NotImplementedError(f"Keras has no {problem.family}")
    return _tensorflow(problem, problem.keras_layer(), jit_compile=True)


def torch(problem):
    """torch's layer, which calls oneDNN or its own kernels."""
    if problem.family not in TWINS:
        raise NotImplementedError(f"torch has no {problem.family}")
    import torch

    layer, x, inference = _torch_layer(problem)
    d_outputs = torch.from_numpy(problem.arrays()[2])

    def training():
        layer.zero_grad()
        source = x.detach().requires_grad_()
        layer(source)[0].backward(d_outputs)
        return [source.grad.numpy(), *(p.grad.numpy() for p in layer.parameters())]

    return {"inference": inference, "training": training}


def torch_int8(problem):
    """torch's layer, dynamically quantized."""
    if problem.family not in ("lstm", "gru"):
        raise NotImplementedError(f"torch does not quantize {problem.family}")
    from torch.ao.quantization import quantize_dynamic
    from torch.nn import Sequential

    # Only the layers inside a module are replaced.
    quantized = lambda layer: quantize_dynamic(Sequential(layer))
    with warnings.catch_warnings():
        # It is deprecated in favour of another package, as are the functions that it calls.
        warnings.filterwarnings("ignore", "(?s).*deprecated")
        return {"inference": _torch_layer(problem, quantized)[2]}


def onnxruntime(problem):
    """ONNX Runtime's operator, which can't train."""
    return _onnx_session(_onnx_model(problem), problem)


def onnxruntime_int8(problem):
    """ONNX Runtime's operator, dynamically quantized."""
    if problem.family != "lstm":
        raise NotImplementedError(f"ONNX Runtime does not quantize {problem.family}")
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "quantized.onnx")
        quantize_dynamic(_onnx_model(problem), path, weight_type=QuantType.QInt8, per_channel=True)
        return _onnx_session(onnx.load(path), problem)


def products(problem):
    """A lower bound: only the matrix products that every implementation needs, by NumPy's BLAS.

    At inference these are the input times its kernel for all steps at once, and at each step the
    state times the recurrent kernel. In training, they also include the gradient times the
    recurrent kernel at each step, and the gradients of the input and of both kernels for all steps
    at once.
    """
    kernel, recurrent = map(problem.weights().get, ("kernel", "recurrent_kernel"))
    if recurrent is None:
        raise NotImplementedError(f"{problem.family} has no recurrent product")
    x, _, h = problem.arrays()
    x = np.ascontiguousarray(x.transpose(1, 0, 2)).reshape(-1, problem.input)
    h = np.ascontiguousarray(h.transpose(1, 0, 2))
    columns = kernel.shape[1]
    projected = np.zeros((problem.time, problem.batch, columns), "float32")
    step = np.zeros((problem.batch, columns), "float32")
    back = np.zeros((problem.batch, problem.units), "float32")

    def inference():
        np.matmul(x, kernel, out=projected.reshape(-1, columns))
        for state in h:
            np.matmul(state, recurrent, out=step)

    def training():
        inference()
        for gradient in projected:
            np.matmul(gradient, recurrent.T, out=back)
        flat = projected.reshape(-1, columns)
        return flat @ kernel.T, x.T @ flat, h.reshape(-1, problem.units).T @ flat

    return {"inference": inference, "training": training}


def _torch_layer(problem, prepared=lambda layer: layer):
    """torch's layer, after `prepared`; its input; and a function for inference."""
    import torch

    x, weights, _ = problem.arrays()
    layer = getattr(torch.nn, problem.family.upper())(
        problem.input, problem.units, batch_first=True
    )
    state = dict(zip(layer.state_dict(), _transposed(problem, weights, "rzh"), strict=True))
    layer.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    layer, x = prepared(layer), torch.from_numpy(x)

    def inference():
        with torch.inference_mode():
            return layer(x)[0].numpy()

    return layer, x, inference


def _onnx_model(problem):
    if problem.family not in TWINS:
        raise NotImplementedError(f"ONNX Runtime has no {problem.family}")
    from onnx import TensorProto, helper, numpy_helper

    x, weights, _ = problem.arrays()
    kernel, recurrent, bias, recurrent_bias = _transposed(problem, weights, "zrh", "iofc")
    initializers = {
        "W": kernel[None],
        "R": recurrent[None],
        "B": np.concatenate([bias, recurrent_bias])[None],
        "direction": np.array([1]),
    }
    options = {"linear_before_reset": 1} if problem.family == "gru" else {}
    operator = problem.family.upper()
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["x"], ["X"], perm=[1, 0, 2]),
            helper.make_node(
                operator, ["X", "W", "R", "B"], ["Y"], hidden_size=problem.units, **options
            ),
            helper.make_node("Squeeze", ["Y", "direction"], ["Z"]),
            helper.make_node("Transpose", ["Z"], ["y"], perm=[1, 0, 2]),
        ],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def _onnx_session(model, problem):
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = os.cpu_count()
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
    )
    x = problem.arrays()[0]
    return {"inference": lambda: session.run(None, {"x": x})[0]}


def _timed(problem, layer):
    of_backend = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return of_backend[keras.backend.backend()](problem, layer)


def _jax(problem, layer):
    import jax

    x, weights, d_outputs = problem.arrays()
    layer.build(x.shape)
    layer.set_weights(weights)
    values = [variable.value for variable in layer.trainable_variables]
    others = [variable.value for variable in layer.non_trainable_variables]
    call = lambda values, x, **kwargs: layer.stateless_call(values, others, x, **kwargs)[0]

    @jax.jit
    def gradients(values, x, d_outputs, mask=None):
        of = lambda values, x: call(values, x, mask=mask, training=True)
        _, transpose = jax.vjp(of, values, x)
        d_values, d_x = transpose(d_outputs)
        return [d_x, *d_values]

    inference = jax.jit(call)
    data = jax.device_put((values, x, d_outputs, problem.mask()))
    functions = {
        "inference": lambda: inference(*data[:2]),
        "training": lambda: gradients(*data[:3]),
        "padded": lambda: gradients(*data),
    }
    functions["training"]()
    ready = lambda function: lambda: jax.block_until_ready(function())
    timed = {mode: ready(function) for mode, function in functions.items()}
    return {**timed, "kernel": getattr(layer, "last_kernel", "none")}


def _torch(problem, layer):
    import torch

    x, weights, d_outputs = problem.arrays()
    layer.build(x.shape)
    layer.set_weights(weights)
    x, d_outputs, mask = map(torch.from_numpy, (x, d_outputs, problem.mask()))
    parameters = [variable.value for variable in layer.trainable_variables]

    def inference():
        with torch.no_grad():
            return layer(x).numpy()

    def training(mask=None):
        for parameter in parameters:
            parameter.grad = None
        source = x.detach().requires_grad_()
        layer(source, mask=mask, training=True).backward(d_outputs)
        return [source.grad.numpy(), *(parameter.grad.numpy() for parameter in parameters)]

    functions = {
        "inference": inference,
        "training": training,
        "padded": lambda: training(mask),
    }
    inference()
    return {**functions, "kernel": getattr(layer, "last_kernel", "none")}


def _tensorflow(problem, layer, jit_compile=None):
    x, weights, d_outputs = map(_constants, problem.arrays())
    x, d_outputs = (tf.cast(each, layer.compute_dtype) for each in (x, d_outputs))
    mask = tf.constant(problem.mask())
    layer.build(x.shape)
    layer.set_weights(weights)
    sources = [weight.value for weight in layer.weights]

    @tf.function(jit_compile=jit_compile, autograph=False)
    def inference(x):
        return layer(x)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def training(x, d_outputs, mask=None):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, mask=mask, training=True)
        return tape.gradient(outputs, [x, *sources], output_gradients=d_outputs)

    functions = {"inference": lambda: inference(x), "training": lambda: training(x, d_outputs)}
    if not jit_compile:  # XLA takes minutes to compile some
        functions["padded"] = lambda: training(x, d_outputs, mask)
    for function in functions.values():
        function()  # traces it while `ZOO_KERNEL` is set
    return {**functions, "kernel": getattr(layer, "last_kernel", "none")}


def _constants(value):
    return tf.constant(value) if isinstance(value, np.ndarray) else value


def _transposed(problem, weights, gru_order, lstm_order="ifco"):
    """The weights in the layout of torch and ONNX: transposed, reordered blocks and two biases."""
    kernel, recurrent, bias = weights
    order = {"lstm": lstm_order, "gru": gru_order, "rnn": "h"}[problem.family]
    ours = {"lstm": "ifco", "gru": "zrh", "rnn": "h"}[problem.family]

    def reordered(array):
        blocks = dict(zip(ours, np.split(array, len(ours), axis=-1), strict=True))
        return np.ascontiguousarray(np.concatenate([blocks[name] for name in order], axis=-1).T)

    biases = bias if bias.ndim == 2 else (bias, np.zeros_like(bias))
    return [reordered(kernel), reordered(recurrent), *map(reordered, biases)]


IMPLEMENTATIONS = {
    "zoo": zoo,
    "zoo_int8": zoo_int8,
    "zoo_bfloat16": zoo_bfloat16,
    "zoo_without_kernel": zoo_without_kernel,
    "lstm_per_operation": lstm_per_operation,
    "keras": keras_layer,
    "keras_xla": keras_xla,
    "torch": torch,
    "torch_int8": torch_int8,
    "onnxruntime": onnxruntime,
    "onnxruntime_int8": onnxruntime_int8,
    "products": products,
}
