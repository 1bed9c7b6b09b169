"""The C interface of the kernels, here of the library with TensorFlow's operations, by `ctypes`."""

import numpy as np
import pytest

from zoo.layers import LSTM, kernels
from zoo.layers.kernels import build, c_interface
from zoo.layers.kernels.c_interface import Array

OPTIONS = kernels.Options("lstm", "tanh", "sigmoid", False, False, True)
BATCH, TIME, FEATURES, UNITS = 3, 40, 24, 40


@pytest.fixture(scope="module")
def library(needs_compiler):
    kernels.load()  # TensorFlow finds no operations in a library that was loaded before
    return c_interface.Library(build.build())


def array(values):
    return Array(values.shape, values.ctypes.data)


def arrays(tensors):
    return [array(values) for values in tensors]


@pytest.fixture
def problem():
    """The input, the weights and the initial states of an LSTM."""
    generator = np.random.default_rng(0)
    normal = lambda *shape: generator.normal(size=shape).astype("float32")
    weights = [normal(FEATURES, 4 * UNITS) / 5, normal(UNITS, 4 * UNITS) / 5, normal(4 * UNITS)]
    return normal(BATCH, TIME, FEATURES), weights, [normal(BATCH, UNITS), normal(BATCH, UNITS)]


def make_call(problem, options=OPTIONS, threads=1):
    x, weights, states = problem
    mask = Array((0, 0))
    return c_interface.Call(
        options, 4, array(x), mask, arrays(weights), arrays(states), [], threads
    )


def run(library, problem, threads):
    """Returns the last output, all outputs, the last states, and the gradients of their sum."""
    x, weights, states = problem
    call = make_call(problem, threads=threads)
    empty = lambda *shape: np.full(shape, np.nan, "float32")
    last, outputs = empty(BATCH, UNITS), empty(BATCH, TIME, UNITS)
    last_states = [np.empty_like(state) for state in states]
    saved = empty(library.saved_size(call))
    library.forward(
        call, c_interface.Results(array(last), array(outputs), array(saved), arrays(last_states))
    )
    d_last, d_outputs, *d_states = map(np.ones_like, (last, outputs, *last_states))
    gradients = [np.empty_like(values) for values in (x, *weights, *states)]
    library.backward(
        call,
        c_interface.Gradients(
            array(outputs),
            array(saved),
            array(d_last),
            array(d_outputs),
            arrays(d_states),
            array(gradients[0]),
            arrays(gradients[1:4]),
            arrays(gradients[4:]),
        ),
    )
    return [last, outputs, *last_states, *gradients]


def test_the_outputs_are_those_of_the_layer(library, problem):
    x, weights, states = problem
    layer = LSTM(UNITS, return_sequences=True, return_state=True)
    layer.build(x.shape)
    layer.set_weights(weights)
    expected = layer(x, initial_state=states)
    last, *found = run(library, problem, threads=1)[:4]
    np.testing.assert_array_equal(last, found[0][:, -1])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_threads_of_the_library_have_the_same_results(library, problem):
    one, three = (run(library, problem, threads) for threads in (1, 3))
    for a, b in zip(one, three, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, w, s: (x[0], w, s), r"x must be \[batch, time, input\]; received \[40,24\]"),
        (lambda x, w, s: (x, w[:2], s), "weights must have 3 arrays; received 2"),
        (lambda x, w, s: (x, w, s[:1]), "initial_state must have 2 arrays; received 1"),
        (lambda x, w, s: (x, w, [s[0], s[1][:2]]), r"initial_state must be \[3,40\]"),
        (lambda x, w, s: (x, [w[0][1:], *w[1:]], s), r"kernel must be \[24,160\]; received"),
    ],
)
def test_an_array_of_another_shape_is_an_error(change, message, library, problem):
    with pytest.raises(ValueError, match=message):
        library.saved_size(make_call(change(*problem)))


def test_an_unknown_activation_is_an_error(library, problem):
    options = kernels.Options("lstm", "softsign", "sigmoid", False, False, True)
    with pytest.raises(ValueError, match="linear, tanh, sigmoid or relu; received softsign"):
        library.saved_size(make_call(problem, options))
