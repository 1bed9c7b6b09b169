"""The native kernels as functions of torch: a part of `make test-backends`."""

import multiprocessing

import keras
import numpy as np
import pytest

from zoo import layers
from zoo.layers import kernels

if keras.backend.backend() != "torch":
    pytest.skip("the backend of Keras isn't torch", allow_module_level=True)

import torch

from zoo.layers.kernels import on_torch

pytestmark = pytest.mark.usefixtures("native")


@pytest.fixture
def layer():
    keras.utils.set_random_seed(0)
    layer = layers.LSTM(4, return_sequences=True)
    layer.build((2, 5, 3))
    return layer


def random_input(*shape):
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype("float32"))


def by_keras(layer, x, monkeypatch):
    """The output of a layer by Keras operations."""
    with monkeypatch.context() as patch:
        patch.setenv("ZOO_KERNEL", "keras")
        return layer(x)


def test_inference_saves_nothing_for_a_gradient(layer, monkeypatch):
    saved = []
    forward = on_torch._Call.forward
    record = lambda self, tensors, save: saved.append(save) or forward(self, tensors, save)
    monkeypatch.setattr(on_torch._Call, "forward", record)
    x = random_input(2, 5, 3)
    with torch.no_grad():
        layer(x)
    layer(x)
    assert saved == [False, True]


def test_tensors_need_not_be_contiguous(layer, monkeypatch):
    x = random_input(3, 5, 2).transpose(0, 2)
    expected = by_keras(layer, x, monkeypatch)
    found = layer(x)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    # The gradient of a sum is one number, expanded.
    for result in (found, expected):
        result.sum().backward()
    weights = [weight.value for weight in layer.weights]
    twice = [weight.grad.clone() for weight in weights]
    for weight in weights:
        weight.grad = None
    layer(x).sum().backward()
    for weight, grad in zip(weights, twice, strict=True):
        torch.testing.assert_close(2 * weight.grad, grad, atol=1e-5, rtol=0)


def test_float64_is_as_exact_as_keras(monkeypatch):
    layer = layers.LSTM(4, return_sequences=True, dtype="float64")
    x = random_input(2, 5, 3).double()
    expected = by_keras(layer, x, monkeypatch)
    torch.testing.assert_close(layer(x), expected, atol=1e-13, rtol=0)
    assert layer.last_kernel == "native"


@pytest.mark.parametrize("used", ["last", "outputs", "state"])
def test_any_result_alone_has_a_gradient(used, monkeypatch):
    layer = layers.LSTM(4, return_sequences=True, return_state=True)
    layer.build((2, 5, 3))
    select = {
        "last": lambda outputs, h, c: outputs[:, -1],
        "outputs": lambda outputs, h, c: outputs,
        "state": lambda outputs, h, c: c,
    }[used]
    found = []
    for choice in ("native", "keras"):
        monkeypatch.setenv("ZOO_KERNEL", choice)
        x = random_input(2, 5, 3).requires_grad_()
        select(*layer(x)).square().sum().backward()
        found.append(x.grad)
    torch.testing.assert_close(*found, atol=1e-6, rtol=0)


def test_a_second_derivative_is_an_error(layer):
    x = random_input(2, 5, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="Build the layer with `unroll=True`"):
        gradient.sum().backward()


def test_functions_of_torch_func_run_with_keras(layer, monkeypatch):
    x = random_input(2, 5, 3)
    loss = lambda x: layer(x).square().sum()
    gradient = torch.func.grad(loss)(x)
    assert layer.last_kernel == "keras"
    assert layer.last_kernel_reason == "torch.func transforms this call"
    source = x.clone().requires_grad_()
    loss(source).backward()
    torch.testing.assert_close(gradient, source.grad, atol=1e-6, rtol=0)


# torch scripts functions when it is first used.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_forward_mode_differentiation_runs_with_keras(layer):
    x, tangent = random_input(2, 5, 3), torch.ones(2, 5, 3)
    with torch.autograd.forward_ad.dual_level():
        outputs = layer(torch.autograd.forward_ad.make_dual(x, tangent))
        found = torch.autograd.forward_ad.unpack_dual(outputs).tangent
    assert layer.last_kernel_reason == "forward-mode differentiation has the tangent of an input"
    difference = (layer(x + 1e-3 * tangent) - layer(x - 1e-3 * tangent)) / 2e-3
    torch.testing.assert_close(found, difference, atol=1e-3, rtol=0)


def test_an_exported_program_holds_no_native_kernel(layer):
    x = random_input(2, 5, 3)
    expected = layer(x)
    assert layer.last_kernel == "native"

    class Module(torch.nn.Module):
        def forward(self, x):
            return layer(x)

    program = torch.export.export(Module(), (x,), strict=False)
    assert layer.last_kernel == "keras"
    torch.testing.assert_close(program.module()(x), expected, atol=1e-6, rtol=0)


def test_a_compiled_function_has_the_same_outputs(layer):
    x = random_input(2, 5, 3)
    compiled = torch.compile(lambda x: layer(x), backend="eager")
    torch.testing.assert_close(compiled(x), layer(x), atol=1e-6, rtol=0)


def test_a_symbolic_call_computes_nothing(layer, monkeypatch):
    class Model(keras.Model):
        def call(self, x):
            return layer(x)

    monkeypatch.setattr(on_torch._Call, "forward", lambda *_: pytest.fail("it computes"))
    assert Model()(keras.Input((None, 3))).shape == (None, None, 4)
    assert layer.last_kernel == "native"


def test_weights_of_another_shape_are_an_error():
    weights = [torch.zeros(shape) for shape in ((3, 16), (4, 15), (16,))]
    with pytest.raises(ValueError, match=r"recurrent_kernel must be \[4,16\]; received \[4,15\]"):
        kernels.run("lstm", torch.zeros(2, 5, 3), [torch.zeros(2, 4)] * 2, weights=weights)


def wide():
    """A layer whose call several threads share, and its input."""
    layer = layers.GRU(96, return_sequences=True, seed=0)
    layer.build((1, 60, 64))
    for weight in layer.weights:
        weight.assign(random_input(*weight.shape) / 8)
    return layer, random_input(1, 60, 64)


def in_another_process(queue):
    with torch.no_grad():
        layer, x = wide()
        queue.put(layer(x).numpy())


def test_results_do_not_depend_on_the_number_of_threads():
    layer, x = wide()
    count, outputs = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            outputs.append(layer(x))
    finally:
        torch.set_num_threads(count)
    torch.testing.assert_close(*outputs, atol=1e-6, rtol=0)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    layer, x = wide()
    count = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        with torch.no_grad():
            expected = layer(x).numpy()
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=in_another_process, args=(queue,))
        process.start()
        found = queue.get(timeout=60)
        process.join(60)
    finally:
        torch.set_num_threads(count)
    np.testing.assert_allclose(found, expected, atol=1e-6)
