"""Every native cell computes what its layer computes with Keras operations."""

import numpy as np
import pytest
import tensorflow as tf

from zoo.layers import architectures, kernels
from zoo.layers.lstm import LSTM, LSTMCell

ONE_WAY = [name for name in architectures.names() if not architectures.get(name).bidirectional]
SHAPES = [  # batch, time, features, units
    (1, 1, 1, 1),
    (1, 9, 3, 130),
    (2, 1, 5, 16),
    (3, 7, 1, 33),
    (7, 5, 19, 16),
    (19, 6, 8, 21),
]
MASKS = {
    "none": lambda random, batch, time: None,
    "right": lambda random, batch, time: np.arange(time) < random.integers(0, time + 1, (batch, 1)),
    "holes": lambda random, batch, time: random.random((batch, time)) < 0.6,
}


# For each native cell, the first architecture that it computes.
NAMES = {architectures.make(name, 1).cell.native(): name for name in reversed(ONE_WAY)}
every_cell = pytest.mark.parametrize("cell", NAMES)


pytestmark = pytest.mark.usefixtures("native")


def test_every_native_cell_is_tested_here():
    assert NAMES.keys() == set(kernels.CELLS)


def problem(cell, shape, mask="none", seed=0, dtype="float32", **options):
    """Returns a layer with random weights, random inputs and states, and the mask."""
    random = np.random.default_rng(seed)
    batch, time, features, units = shape
    layer = architectures.make(
        NAMES[cell], units, return_state=True, seed=seed, dtype=dtype, **options
    )
    layer.build((batch, time, features))
    for weight in layer.weights:
        weight.assign(random.normal(size=weight.shape) * 0.8 / np.sqrt(weight.shape[0]))
    x = tf.constant(random.normal(size=(batch, time, features)), dtype)
    states = [random.normal(size=(batch, size)) for size in layer.state_size]
    if cell == "slstm":  # its normalizer is at least 1
        states[2] = 1 + states[2] ** 2
    states = [tf.constant(state, dtype) for state in states]
    return layer, x, states, MASKS[mask](random, batch, time)


def results(layer, x, state, mask, training=True):
    """Returns the results of a call, and the gradients of a random sum of them."""
    drawn = layer.cell.seed_generator.state.numpy()
    with tf.GradientTape() as tape:
        tape.watch([x, *state])
        outputs = layer(x, initial_state=state, mask=mask, training=training)
        random = np.random.default_rng(1)
        loss = tf.add_n([tf.reduce_sum(y * random.normal(size=y.shape)) for y in outputs])
    layer.cell.seed_generator.state.assign(drawn)
    sources = [x, *state, *(weight.value for weight in layer.trainable_weights)]
    return [*outputs, *tape.gradient(loss, sources, unconnected_gradients="zero")]


def assert_close(got, expected, tolerance=1e-5):
    # Gradients below 1e-3, such as those through a normalization of one unit, are mostly rounding.
    for a, b in zip(got, expected, strict=True):
        a, b = np.asarray(a), np.asarray(b)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1e-3, np.abs(b).max()))


def compare(monkeypatch, layer, x, state, mask, training=True, tolerance=1e-5):
    found = {}
    for choice in ("native", "keras"):
        monkeypatch.setenv("ZOO_KERNEL", choice)
        found[choice] = results(layer, x, state, mask, training)
        assert layer.last_kernel == choice
    assert_close(found["native"], found["keras"], tolerance)


@every_cell
@pytest.mark.parametrize("index", range(len(SHAPES)))
def test_results_and_gradients_match_the_loop(cell, index, monkeypatch):
    seed = index + sum(map(ord, cell))
    options = {
        "return_sequences": bool(seed % 2),
        "go_backwards": bool(seed // 2 % 2),
        "zero_output_for_mask": bool(seed // 4 % 2),
        "use_bias": seed % 5 > 0,
    }
    arguments = problem(cell, SHAPES[index], list(MASKS)[seed % 3], seed, **options)
    compare(monkeypatch, *arguments, training=index != 4)


@every_cell
@pytest.mark.parametrize("mask", MASKS)
def test_double_precision_matches_the_loop(cell, mask, monkeypatch):
    arguments = problem(cell, (5, 6, 4, 11), mask, seed=3, dtype="float64", return_sequences=True)
    compare(monkeypatch, *arguments, tolerance=1e-12)


@every_cell
def test_a_row_that_is_masked_everywhere_keeps_its_states(cell):
    layer, x, state, _ = problem(cell, (3, 4, 2, 5), return_sequences=True)
    mask = np.array([[True] * 4, [False] * 4, [True] * 4])
    outputs, *last = layer(x, initial_state=state, mask=mask)
    assert np.all(outputs[1] == 0)
    for after, before in zip(last, state, strict=True):
        np.testing.assert_array_equal(after[1], before[1])


@every_cell
def test_both_directions_match_the_loop(cell, monkeypatch):
    layer = architectures.make(NAMES[cell], 6, bidirectional=True, return_sequences=True, seed=1)
    random = np.random.default_rng(0)
    x = random.normal(size=(4, 7, 3)).astype("float32")
    mask = MASKS["right"](random, 4, 7)
    outputs = {}
    for choice in ("native", "keras"):
        monkeypatch.setenv("ZOO_KERNEL", choice)
        outputs[choice] = layer(x, mask=mask)
    assert_close([outputs["native"]], [outputs["keras"]])


@every_cell
def test_a_stateful_layer_continues_from_its_states(cell):
    layer = architectures.make(NAMES[cell], 6, return_sequences=True, stateful=True)
    whole = architectures.make(NAMES[cell], 6, return_sequences=True)
    x = np.random.default_rng(0).normal(size=(2, 8, 3)).astype("float32")
    layer.build(x.shape)
    whole.build(x.shape)
    whole.set_weights(layer.get_weights())
    chunks = [layer(x[:, :3]), layer(x[:, 3:])]
    assert layer.last_kernel == "native"
    assert_close([np.concatenate(chunks, axis=1)], [whole(x)])


@every_cell
def test_gradients_match_finite_differences(cell):
    layer, x, state, mask = problem(cell, (2, 4, 3, 5), "holes", dtype="float64")
    training = not layer.cell.native_arguments(x).get("draw")  # what is drawn would change
    outputs = layer(x, initial_state=state, mask=mask, training=training)
    parameters = [tf.Variable(x), *map(tf.Variable, state)]
    parameters += [weight.value for weight in layer.trainable_weights]
    random = np.random.default_rng(1)
    weighting = [random.normal(size=y.shape) for y in outputs]

    def loss():
        x, *state = (tf.identity(p) for p in parameters[: 1 + len(layer.state_size)])
        outputs = layer(x, initial_state=state, mask=mask, training=training)
        return tf.add_n([tf.reduce_sum(y * w) for y, w in zip(outputs, weighting, strict=True)])

    with tf.GradientTape() as tape:
        value = loss()
    for parameter, gradient in zip(parameters, tape.gradient(value, parameters), strict=True):
        start, direction = parameter.numpy(), random.normal(size=parameter.shape)
        sides = []
        for sign in (1, -1):
            parameter.assign(start + sign * 1e-5 * direction)
            sides.append(float(loss()))
        parameter.assign(start)
        assert layer.last_kernel == "native"
        numeric = (sides[0] - sides[1]) / 2e-5
        assert np.sum(gradient * direction) == pytest.approx(numeric, rel=1e-6, abs=1e-8)


@every_cell
def test_repeated_calls_are_bitwise_equal(cell):
    arguments = problem(cell, (9, 30, 20, 70), "right", return_sequences=True)
    first = results(*arguments)
    for _ in range(3):
        for a, b in zip(first, results(*arguments), strict=True):
            np.testing.assert_array_equal(a, b)


@every_cell
def test_a_graph_accepts_any_batch_size_and_length(cell, monkeypatch):
    layer, x, _, _ = problem(cell, (4, 6, 3, 10), return_sequences=True)
    specs = [tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], tf.bool)]
    call = tf.function(lambda x, mask: layer(x, mask=mask), input_signature=specs)
    traced = [call(part, tf.ones(part.shape[:2], tf.bool)) for part in (x, x[:2, :3])]
    assert layer.last_kernel == "native"
    monkeypatch.setenv("ZOO_KERNEL", "keras")
    for got, part in zip(traced, (x, x[:2, :3]), strict=True):
        assert_close(got, layer(part))


@every_cell
def test_a_second_derivative_raises(cell):
    layer, x, state, _ = problem(cell, (2, 3, 4, 5))
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = layer(x, initial_state=state)[0]
        slope = inner.gradient(y, x)
    with pytest.raises(NotImplementedError, match="second derivative"):
        outer.gradient(slope, x)


@every_cell
def test_large_inputs_do_not_overflow(cell):
    x = tf.constant([[[80.0], [-80.0], [300.0], [-300.0]]])
    layer = architectures.make(NAMES[cell], 2, kernel_initializer="ones")
    with tf.GradientTape() as tape:
        y = layer(x)
    assert layer.last_kernel == "native"
    assert np.isfinite(y).all()
    gradients = tape.gradient(y, [weight.value for weight in layer.trainable_weights])
    assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_a_subclass_without_other_equations_keeps_the_kernel():
    class LoggedCell(LSTMCell):
        def build(self, input_shape):
            self.input_shapes = [*getattr(self, "input_shapes", []), input_shape]
            super().build(input_shape)

    class LoggedLSTM(LSTM):
        cell_class = LoggedCell

    layer = LoggedLSTM(4)
    layer(np.ones((2, 3, 5), "float32"))
    assert layer.cell.input_shapes == [(2, 5)]
    assert layer.last_kernel == "native"


@pytest.mark.parametrize("method", ["step", "projection", "recurrent_product"])
def test_a_subclass_with_other_equations_loses_the_kernel(method):
    changed = lambda self, *args, **kwargs: getattr(LSTMCell, method)(self, *args, **kwargs)
    cell_class = type("ChangedCell", (LSTMCell,), {method: changed})
    layer = type("ChangedLSTM", (LSTM,), {"cell_class": cell_class})(4)
    layer(np.ones((2, 3, 5), "float32"))
    assert layer.last_kernel == "keras"


def test_a_subclass_of_such_a_subclass_loses_the_kernel_too():
    changed = type("ChangedCell", (LSTMCell,), {"step": lambda *args: LSTMCell.step(*args)})
    assert type("Further", (changed,), {})(4).native() is None


def test_an_unknown_cell_is_an_error(monkeypatch):
    monkeypatch.setattr(kernels, "CELLS", ("perceptron",))
    weights = [tf.zeros((4, 5)), None]
    with pytest.raises(tf.errors.InvalidArgumentError, match="no native cell perceptron"):
        kernels.run("perceptron", tf.zeros((2, 3, 4)), [tf.zeros((2, 5))], weights=weights)


@pytest.mark.parametrize(
    ("index", "wrong", "message"),
    [
        (0, (3, 20), r"kernel must be \[4,20\]; received \[3,20\]"),
        (1, (5, 19), r"recurrent_kernel must be \[5,20\]; received \[5,19\]"),
        (2, (19,), r"bias must have 0 or 20 elements; received \[19\]"),
        (3, (2, 5), r"the vectors of weights must be \[3,5\]; received \[2,5\]"),
    ],
)
def test_weights_of_another_shape_are_an_error(index, wrong, message):
    weights = [tf.zeros(shape) for shape in ((4, 20), (5, 20), (20,), (3, 5))]
    weights[index] = tf.zeros(wrong)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        kernels.run("lstm_peephole", tf.zeros((2, 3, 4)), [tf.zeros((2, 5))] * 2, weights=weights)


def test_zoneout_draws_only_if_the_kernel_runs(monkeypatch):
    layer = architectures.make("lstm_zoneout", 4, seed=1)
    x = np.ones((2, 3, 5), "float32")
    states = []
    for choice in ("native", "keras"):
        monkeypatch.setenv("ZOO_KERNEL", choice)
        before = layer.cell.seed_generator.state.numpy()
        layer(x, training=True)
        states.append(layer.cell.seed_generator.state.numpy() - before)
    np.testing.assert_array_equal(*states)
