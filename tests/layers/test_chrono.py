"""Chrono initialization: gates that start at the timescales of the data."""

import keras
import numpy as np
import pytest

import zoo.layers
from zoo.layers import architectures

UNITS = 500
# The blocks of the gate that keeps the state, and of the one that overwrites it.
GATES = {
    "LSTM": (1, 0),
    "ChronoLSTM": (1, 0),
    "CoupledLSTM": (0, None),
    "GRU": (0, None),
    "ChronoGRU": (0, None),
    "GRUResetBefore": (0, None),
    "LayerNormLSTM": (1, 0),
    "MinGRU": (None, 0),
    "MinLSTM": (0, 1),
    "PeepholeLSTM": (1, 0),
    "ProjectionLSTM": (1, 0),
    "SLSTM": (1, 0),
    "ZoneoutLSTM": (1, 0),
}

gated = pytest.mark.parametrize("family", GATES)
chrono = pytest.mark.parametrize("family", ["ChronoLSTM", "ChronoGRU"])


def make(family, units=UNITS, **kwargs):
    layer = getattr(zoo.layers, family)(units, **kwargs)
    layer.build((2, 3, 1))
    return layer


def bias_blocks(layer):
    """Returns the blocks of the input bias, and all other biases."""
    cell = layer.cell
    bias = np.asarray(cell.bias.value)
    rows = np.atleast_2d(bias)
    return np.split(rows[0], cell.num_blocks), rows[1:]


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def test_every_layer_with_a_gate_that_forgets_takes_a_timescale():
    layers = {architectures.get(name).layer for name in architectures.names()}
    assert {layer.__name__ for layer in layers if layer.cell_class.timescale_gates} == set(GATES)


@gated
def test_time_constants_are_uniform_up_to_the_timescale(family):
    keras.utils.set_random_seed(0)
    blocks, _ = bias_blocks(make(family, max_timescale=50))
    keeps, overwrites = GATES[family]
    c = -blocks[overwrites] if keeps is None else blocks[keeps]
    if None not in (keeps, overwrites):
        np.testing.assert_array_equal(blocks[overwrites], -c)
    time_constants = 1 / (1 - sigmoid(c.astype("float64")))
    assert len(np.unique(c)) > 0.9 * UNITS
    assert time_constants.min() >= 2 - 1e-4
    assert time_constants.max() <= 50 + 1e-4
    quartiles = np.quantile(time_constants, [0.0, 0.25, 0.5, 0.75, 1.0])
    assert quartiles == pytest.approx([2, 14, 26, 38, 50], abs=4)


@gated
def test_other_blocks_of_the_bias_keep_their_initializer(family):
    layer = make(family, max_timescale=50, bias_initializer=keras.initializers.Constant(7))
    blocks, others = bias_blocks(layer)
    for index, block in enumerate(blocks):
        assert np.all(block == 7) == (index not in GATES[family])
        assert len(block) == (2 * UNITS if family == "ProjectionLSTM" else UNITS)
    assert np.all(others == 7)
    assert others.size == (3 * UNITS if family in ("GRU", "ChronoGRU") else 0)


@gated
def test_the_state_decays_with_the_time_constants(family):
    """Without inputs and candidates, the state shrinks by `u / (1 + u)` at every step."""
    if family == "ZoneoutLSTM":
        pytest.skip("zoneout keeps a part of the state too")
    zeros = {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    layer = make(family, 20, max_timescale=50, return_state=True, **zeros)
    blocks, _ = bias_blocks(layer)
    keeps, overwrites = GATES[family]
    u = np.exp(-blocks[overwrites] if keeps is None else blocks[keeps])
    starts = [np.ones((2, size), "float32") for size in layer.state_size]
    _, *states = layer(np.zeros((2, 3, 1), "float32"), initial_state=starts)
    start, state = (
        # sLSTM stores its state `c` divided by `exp(m)`.
        values[1] * np.exp(values[3]) if family == "SLSTM" else values[-1]
        for values in (starts, states)
    )
    kept = (u / (1 + u)) ** 3
    # The candidate of minGRU and minLSTM is 1/2 without an input, and the others are 0.
    target = 0.5 if family in ("MinGRU", "MinLSTM") else 0.0
    np.testing.assert_allclose(state, target + kept * (start - target), rtol=1e-5)


@gated
def test_the_random_seed_of_keras_reproduces_the_biases(family):
    biases = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        biases.append(np.asarray(make(family, 4, max_timescale=50).cell.bias.value))
    np.testing.assert_array_equal(biases[0], biases[1])
    assert np.any(biases[0] != biases[2])


def test_unit_forget_bias_has_no_effect_with_a_timescale():
    biases = []
    for unit_forget_bias in (True, False):
        keras.utils.set_random_seed(0)
        layer = make("LSTM", 4, max_timescale=50, unit_forget_bias=unit_forget_bias)
        biases.append(np.asarray(layer.cell.bias.value))
    np.testing.assert_array_equal(*biases)


@gated
def test_the_timescale_is_in_the_config_if_it_is_given(family):
    layer = getattr(zoo.layers, family)(4, max_timescale=50)
    assert layer.max_timescale == 50
    assert layer.get_config()["max_timescale"] == 50
    assert type(layer).from_config(layer.get_config()).cell.max_timescale == 50
    if "Chrono" not in family:
        assert "max_timescale" not in getattr(zoo.layers, family)(4).get_config()


@chrono
# NumPy warns about how Keras converts TensorFlow variables to arrays when it saves them.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_model_keeps_its_timescale_and_biases(family, tmp_path):
    inputs = keras.Input((None, 2))
    layer = getattr(zoo.layers, family)(4, max_timescale=50)
    model = keras.Model(inputs, keras.layers.Bidirectional(layer)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for direction in (loaded.layers[1].forward_layer, loaded.layers[1].backward_layer):
        assert type(direction) is type(layer)
        assert direction.max_timescale == 50
    for actual, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("family", ["SimpleRNN", "JordanRNN", "LSTM1997"])
def test_a_layer_without_a_gate_that_forgets_raises(family):
    message = rf"{family}Cell has no gate that forgets.*Received: max_timescale=50"
    with pytest.raises(ValueError, match=message):
        getattr(zoo.layers, family)(4, max_timescale=50)


@gated
@pytest.mark.parametrize("max_timescale", [0, 2, float("nan")])
def test_a_timescale_of_at_most_two_steps_raises(family, max_timescale):
    with pytest.raises(ValueError, match=f"Received: max_timescale={max_timescale}"):
        getattr(zoo.layers, family)(4, max_timescale=max_timescale)


@gated
def test_a_timescale_without_a_bias_raises(family):
    with pytest.raises(ValueError, match="Received: use_bias=False, max_timescale=50"):
        getattr(zoo.layers, family)(4, max_timescale=50, use_bias=False)


@pytest.mark.parametrize("name", architectures.names())
def test_make_passes_the_timescale_to_architectures_with_chrono_initialization(name):
    has_chrono = architectures.get(name).chrono
    assert has_chrono == (name in ("lstm_chrono", "gru_chrono"))
    layer = architectures.make(name, 4, timescale=50)
    layer = getattr(layer, "forward_layer", layer)
    assert layer.max_timescale == (50 if has_chrono else None)
    assert architectures.get(name).layer(4).max_timescale == (100 if has_chrono else None)


@pytest.mark.parametrize("name", ["lstm_chrono", "gru_chrono"])
def test_each_direction_draws_its_own_time_constants(name):
    layer = architectures.make(name, 4, bidirectional=True, timescale=50)
    layer.build((2, 3, 1))
    forward, backward = layer.forward_layer, layer.backward_layer
    assert (forward.max_timescale, backward.max_timescale) == (50, 50)
    assert np.any(np.asarray(forward.cell.bias.value) != np.asarray(backward.cell.bias.value))


@chrono
def test_the_native_kernel_runs(family, monkeypatch, needs_compiler):
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = getattr(zoo.layers, family)(4, return_sequences=True)
    results = {}
    for choice in ("native", "keras"):
        monkeypatch.setenv("ZOO_KERNEL", choice)
        results[choice] = layer(x)
        assert layer.last_kernel == choice
    np.testing.assert_allclose(results["native"], results["keras"], rtol=1e-5, atol=1e-6)
