"""Every architecture matches its equations in NumPy, and its gradients match finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from equations import EQUATIONS
from keras import ops

import zoo.layers
from zoo.layers import architectures, linear_recurrence

UNITS = 3

one_direction = pytest.mark.parametrize("name", EQUATIONS)


def test_every_architecture_has_equations_here():
    one_way = [n for n in architectures.names() if not architectures.get(n).bidirectional]
    assert sorted(EQUATIONS) == sorted(one_way)


def random_layer(name, seed=0, **kwargs):
    layer = architectures.make(
        name, UNITS, dtype="float64", return_sequences=True, return_state=True, **kwargs
    )
    layer.build((2, 6, 4))
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(rng.normal(size=weight.shape) * 0.8)
    return layer


def random_input(layer, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2, 6, 4))
    mask = np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 1, 1, 1]], bool)
    states = [rng.normal(size=(2, size)) for size in layer.state_size]
    if len(states) == 4:  # the normalizer of sLSTM is at least 1
        states[2] = 1 + states[2] ** 2
    return x, mask, states


@one_direction
@pytest.mark.parametrize("unroll", [False, True])
@pytest.mark.parametrize("from_zero", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_outputs_match_the_equations(name, unroll, from_zero, training):
    if training and name == "lstm_zoneout":
        pytest.skip("zoneout is random in training")
    layer = random_layer(name, unroll=unroll)
    x, mask, states = random_input(layer)
    if from_zero:
        states = [np.zeros_like(state) for state in states]
    weights = {weight.name: np.asarray(weight.value) for weight in layer.weights}
    initial_state = None if from_zero else states
    outputs, *last = layer(x, initial_state=initial_state, mask=mask, training=training)
    output = np.zeros((2, UNITS))
    for t in range(6):
        keep = mask[:, t, None]
        new = EQUATIONS[name](x[:, t], states, weights)
        states = [np.where(keep, n, s) for n, s in zip(new, states, strict=True)]
        output = np.where(keep, states[0], output)
        np.testing.assert_allclose(outputs[:, t], output, rtol=1e-12, atol=1e-12)
    for actual, expected in zip(last, states, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=1e-12)


@one_direction
def test_a_cell_in_keras_rnn_matches_the_layer(name):
    layer = random_layer(name, seed=1)
    x, mask, states = random_input(layer)
    rnn = keras.layers.RNN(layer.cell, return_sequences=True, return_state=True, dtype="float64")
    actual = rnn(x, initial_state=states, mask=mask)
    for a, e in zip(actual, layer(x, initial_state=states, mask=mask), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12, atol=1e-12)


@one_direction
@pytest.mark.parametrize("go_backwards", [False, True])
def test_gates_satisfy_the_equations(name, go_backwards):
    layer = random_layer(name, go_backwards=go_backwards)
    x, mask, states = random_input(layer)
    gates = layer.gates(x, states, mask)
    expected = layer(x, initial_state=states, mask=mask)
    order = slice(None, None, -1 if go_backwards else 1)
    at_steps = mask[:, order]
    h = gates["h"][:, order]
    np.testing.assert_allclose(h[at_steps], expected[0][at_steps], rtol=1e-12, atol=1e-12)
    names = layer.cell.state_names
    for state, last in zip(names, expected[1:], strict=True):
        np.testing.assert_allclose(gates[state][:, order][:, -1], last, rtol=1e-12, atol=1e-12)
    if "c" in names:
        now, c = {k: v[:, order] for k, v in gates.items()}, gates["c"][:, order]
        before = np.concatenate([states[1][:, None], c[:, :-1]], axis=1)
        kept = now.get("f", 1)
        if name == "lstm_zoneout":
            kept, share = 0.5 + 0.5 * kept, 0.5
        else:
            share = 1
        again = kept * before + share * now["i"] * now["c_tilde"]
        np.testing.assert_allclose(c[at_steps], again[at_steps], rtol=1e-12, atol=1e-12)
    for gate in set(gates) & set("ifozr"):
        assert np.all(gates[gate][~mask] == 0)
        assert np.all((gates[gate][mask] > 0) | (name == "slstm"))


@one_direction
def test_gradients_match_finite_differences(name):
    """Compares directional derivatives along random directions of each parameter."""
    layer = random_layer(name)
    x, mask, states = random_input(layer)
    x, states = tf.Variable(x[:, :4]), [tf.Variable(state) for state in states]
    rng = np.random.default_rng(1)
    weighting = [rng.normal(size=(2, 4, UNITS)), *(rng.normal(size=s.shape) for s in states)]

    def loss():
        outputs = layer(
            x,
            initial_state=list(states),
            mask=mask[:, :4],
            # Training tests the vector-Jacobian products too, but zoneout is random in it.
            training=name != "lstm_zoneout",
        )
        return sum(ops.sum(y * w) for y, w in zip(outputs, weighting, strict=True))

    parameters = [x, *states, *(weight.value for weight in layer.trainable_weights)]
    with tf.GradientTape() as tape:
        value = loss()
    epsilon = 1e-5
    for parameter, gradient in zip(parameters, tape.gradient(value, parameters), strict=True):
        value = parameter.numpy()
        for _ in range(3):
            direction = rng.normal(size=value.shape)
            sides = []
            for sign in (1, -1):
                parameter.assign(value + sign * epsilon * direction)
                sides.append(float(loss()))
            parameter.assign(value)
            numeric = (sides[0] - sides[1]) / (2 * epsilon)
            assert np.sum(gradient * direction) == pytest.approx(numeric, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_the_parallel_scan_matches_the_loop(steps):
    rng = np.random.default_rng(0)
    arguments = [
        tf.constant(rng.normal(size=shape)) for shape in ((steps, 2, 3), (steps, 2, 3), (2, 3))
    ]
    results = []
    for method in (linear_recurrence.scan, linear_recurrence.step_by_step):
        for solution in (method, linear_recurrence.differentiable(method)):
            with tf.GradientTape() as tape:
                tape.watch(arguments)
                h = solution(*arguments)
                loss = tf.reduce_sum(tf.sin(h))
            results.append([h, *tape.gradient(loss, arguments)])
    for result in results[1:]:
        for actual, expected in zip(result, results[0], strict=True):
            np.testing.assert_allclose(actual, expected, rtol=1e-10, atol=1e-12)


def test_the_parallel_scan_runs_in_a_graph_of_unknown_length_and_in_xla():
    rng = np.random.default_rng(0)
    arguments = [rng.normal(size=shape) for shape in ((7, 2, 3), (7, 2, 3), (2, 3))]
    expected = linear_recurrence.step_by_step(*map(tf.constant, arguments))
    specs = [tf.TensorSpec([None, None, 3], tf.float64)] * 2 + [
        tf.TensorSpec([None, 3], tf.float64)
    ]
    for jit_compile in (False, True):
        scan = tf.function(linear_recurrence.scan, input_signature=specs, jit_compile=jit_compile)
        np.testing.assert_allclose(scan(*arguments), expected, rtol=1e-12)


def test_large_inputs_do_not_overflow():
    x = np.array([[[80.0], [-80.0], [300.0], [-300.0]]], "float32")
    for name in ("slstm", "min_lstm", "min_gru"):
        layer = architectures.make(name, 2, kernel_initializer="ones")
        with tf.GradientTape() as tape:
            y = layer(x)
        assert np.isfinite(y).all()
        gradients = tape.gradient(y, [weight.value for weight in layer.trainable_weights])
        assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_zoneout_keeps_the_given_fraction_of_the_state_at_every_step():
    layer = zoo.layers.ZoneoutLSTM(
        400, zoneout_cell=0.3, zoneout_output=0.6, seed=1, return_sequences=True
    )
    x = np.random.default_rng(0).normal(size=(20, 8, 3)).astype("float32")
    outputs = np.asarray(layer(x, training=True))
    kept = outputs[:, 1:] == outputs[:, :-1]
    assert kept.mean() == pytest.approx(0.6, abs=0.01)
    assert kept.mean(axis=(0, 2)) == pytest.approx([0.6] * 7, abs=0.03)
    layer = zoo.layers.ZoneoutLSTM(400, zoneout_cell=0.3, zoneout_output=0.0, return_state=True)
    c = np.full((20, 400), 7.0, "float32")
    last = layer(x[:, :1], initial_state=[np.zeros_like(c), c], training=True)[2]
    assert np.mean(np.asarray(last) == 7.0) == pytest.approx(0.3, abs=0.02)


def test_a_zoneout_cell_in_keras_rnn_draws_at_every_step():
    cell = zoo.layers.ZoneoutLSTMCell(400, zoneout_output=0.6, seed=1)
    rnn = keras.layers.RNN(cell, return_sequences=True)
    x = np.random.default_rng(0).normal(size=(20, 8, 3)).astype("float32")
    outputs = np.asarray(tf.function(rnn)(x, training=True))
    kept = outputs[:, 1:] == outputs[:, :-1]
    assert kept.mean(axis=(0, 2)) == pytest.approx([0.6] * 7, abs=0.03)
    assert not (kept[:, 1:] == kept[:, :-1]).all(axis=(0, 2)).any()


def test_zoneout_interpolates_in_inference():
    layer = zoo.layers.ZoneoutLSTM(4, zoneout_cell=1.0, zoneout_output=0.0, return_state=True)
    x = np.ones((2, 3, 5), "float32")
    c = np.full((2, 4), 0.4, "float32")
    assert np.asarray(layer(x, initial_state=[0 * c, c])[2]) == pytest.approx(c)


def test_projection_output_and_states_have_their_sizes():
    layer = zoo.layers.ProjectionLSTM(3, cell_units=7, return_state=True)
    output, h, c = layer(np.ones((2, 4, 5), "float32"))
    assert (output.shape, h.shape, c.shape) == ((2, 3), (2, 3), (2, 7))
    assert layer.get_config()["cell_units"] == 7
    assert zoo.layers.ProjectionLSTM(3).state_size == [3, 6]


@pytest.mark.parametrize("name", ["min_gru", "min_lstm"])
@pytest.mark.parametrize("option", ["recurrent_dropout", "recurrent_weight_dropout"])
def test_recurrent_dropout_without_a_recurrent_kernel_raises(name, option):
    with pytest.raises(ValueError, match=rf"Received: {option}=0\.5"):
        architectures.make(name, 4, **{option: 0.5})


@pytest.mark.parametrize(("name", "block"), [("lstm", 1), ("lstm_coupled", 0), ("slstm", 1)])
def test_the_bias_of_the_forget_gate_starts_at_one(name, block):
    layer = architectures.make(name, 2)
    layer.build((1, 1, 1))
    bias = np.asarray(layer.cell.bias.value).reshape(-1, 2)
    np.testing.assert_array_equal(bias, np.eye(len(bias))[block][:, None].repeat(2, axis=1))
