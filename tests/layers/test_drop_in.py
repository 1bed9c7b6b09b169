"""SimpleRNN, LSTM and GRU match the Keras layers of the same name, including gradients."""

import doctest
import importlib
import inspect

import hypothesis
import hypothesis.strategies as st
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import zoo.layers

FAMILIES = ["SimpleRNN", "LSTM", "GRU"]
VARIATIONS = [
    ("SimpleRNN", {}),
    ("SimpleRNN", {"activation": None, "use_bias": False}),
    ("LSTM", {}),
    ("LSTM", {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}),
    ("LSTM", {"use_bias": False, "implementation": 1}),
    ("GRU", {}),
    ("GRU", {"use_bias": False}),
    ("GRU", {"reset_after": False}),
    ("GRU", {"activation": "softsign", "recurrent_activation": "hard_sigmoid"}),
]
# Arguments that the Keras layers do not have.
ZOO_ONLY = ("recurrent_weight_dropout", "max_timescale")
EPSILON = {"mixed_float16": 2.0**-10, "mixed_bfloat16": 2.0**-7}

families = pytest.mark.parametrize("family", FAMILIES)
# NumPy warns about how Keras converts TensorFlow variables to arrays when it saves them.
saves = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
variations = pytest.mark.parametrize(
    ("family", "arguments"),
    VARIATIONS,
    ids=["-".join([name, *(f"{k}={v}" for k, v in a.items())]) for name, a in VARIATIONS],
)


def randomize(weights, seed=0):
    rng = np.random.default_rng(seed)
    for weight in weights:
        weight.assign(rng.normal(size=weight.shape) * 0.7)


def twins(family, *args, features, weights_seed=0, wrap=lambda layer: layer, **kwargs):
    """Returns the layers of this package and of Keras, with the same random weights."""
    pair = []
    for module in (zoo.layers, keras.layers):
        layer = wrap(getattr(module, family)(*args, **kwargs))
        layer.build((2, 3, features))
        randomize(layer.weights, weights_seed)
        pair.append(layer)
    return pair


def random_states(family, batch, units, rng):
    count = 2 if family == "LSTM" else 1
    return [rng.normal(size=(batch, units)).astype("float32") for _ in range(count)]


def outputs_and_gradients(layer, x, states=None, **kwargs):
    """Returns all outputs, and the gradients of a random sum of them for inputs and weights."""
    x = tf.convert_to_tensor(x)
    states = None if states is None else [tf.convert_to_tensor(s) for s in states]
    weights = [w.value for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch([x, *(states or [])])
        outputs = keras.tree.flatten(layer(x, initial_state=states, **kwargs))
        rng = np.random.default_rng(1)
        loss = sum(
            ops.sum(ops.cast(y, "float32") * rng.normal(size=y.shape).astype("float32"))
            for y in outputs
        )
    gradients = tape.gradient(
        loss, [x, *(states or []), *weights], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return outputs, gradients


def assert_close(actual, expected, tolerance=1e-5):
    """Asserts equality up to `tolerance`, relative to the largest value of each tensor."""
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        a, e = (ops.convert_to_numpy(ops.cast(t, "float64")) for t in (a, e))
        assert a.shape == e.shape
        np.testing.assert_allclose(
            a, e, rtol=0, atol=tolerance * max(1.0, np.abs(e).max(initial=0))
        )


def make_mask(kind, batch, time, rng):
    lengths = rng.integers(1, time + 1, size=batch)[:, None]
    steps = np.arange(time)[None]
    if kind == "right":
        return steps < lengths
    if kind == "left":
        return steps >= time - lengths
    mask = rng.random((batch, time)) < 0.6
    if kind == "empty row":
        mask[rng.integers(batch)] = False
    return mask


@variations
@hypothesis.settings(max_examples=6, deadline=None, derandomize=True)
@hypothesis.given(
    shape=st.tuples(*[st.integers(1, 5)] * 4),
    kind=st.sampled_from([None, "right", "left", "holes", "empty row"]),
    has_states=st.booleans(),
    training=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "go_backwards": st.booleans(),
            "return_sequences": st.booleans(),
            "return_state": st.booleans(),
            "zero_output_for_mask": st.booleans(),
            "unroll": st.booleans(),
        }
    ),
    seed=st.integers(0, 1000),
)
def test_outputs_and_gradients_match_keras(
    family, arguments, shape, kind, has_states, training, options, seed
):
    batch, time, features, units = shape
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, time, features)).astype("float32")
    mask = None if kind is None else make_mask(kind, batch, time, rng)
    states = random_states(family, batch, units, rng) if has_states else None
    ours, theirs = twins(
        family, units, features=features, weights_seed=seed, **arguments, **options
    )
    # With unroll, go_backwards and zero_output_for_mask together, Keras does not reverse the mask.
    theirs.unroll = False
    actual = outputs_and_gradients(ours, x, states, mask=mask, training=training)
    expected = outputs_and_gradients(theirs, x, states, mask=mask, training=training)
    assert_close(actual[0], expected[0])
    assert_close(actual[1], expected[1])


@families
@pytest.mark.parametrize("suffix", ["", "Cell"])
def test_signatures_match_keras(family, suffix):
    ours, theirs = (getattr(m, family + suffix) for m in (zoo.layers, keras.layers))
    # Of a class with an inherited `__init__`, some versions of Python 3.11 find that of `__new__`.
    ours_here, expected = (
        [(p.name, p.kind, p.default) for p in inspect.signature(cls.__init__).parameters.values()]
        for cls in (ours, theirs)
    )
    assert [one for one in ours_here if one[0] not in ZOO_ONLY] == expected
    names = [list(inspect.signature(cls.call).parameters) for cls in (ours, theirs)]
    if suffix:  # Keras' cells name their first, positional argument inconsistently.
        names = [parameters[2:] for parameters in names]
    assert names[0] == names[1]


@families
def test_invalid_arguments_raise(family):
    with pytest.raises(ValueError, match="Unrecognized keyword"):
        getattr(zoo.layers, family)(3, forget=True)
    with pytest.raises(ValueError, match="positive integer"):
        getattr(zoo.layers, family)(0)


@variations
def test_initial_weights_match_keras(family, arguments):
    built = []
    for module in (zoo.layers, keras.layers):
        initializers = {
            f"{name}_initializer": keras.initializers.RandomNormal(seed=seed)
            for seed, name in enumerate(("kernel", "recurrent", "bias"))
        }
        layer = getattr(module, family)(4, name="layer", **initializers, **arguments)
        layer.build((2, 3, 5))
        built.append(layer)
    ours, theirs = built
    assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
    for a, e in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, e)


@variations
def test_configs_match_keras(family, arguments):
    options = {
        "name": "layer",
        "units": 4,
        "kernel_regularizer": "l2",
        "activity_regularizer": "l1",
        "recurrent_constraint": "max_norm",
        "bias_initializer": "normal",
        "dropout": 0.1,
        "recurrent_dropout": 0.2,
        "seed": 3,
        "return_state": True,
        "go_backwards": True,
        "dtype": "mixed_bfloat16",
        **arguments,
    }
    ours, theirs = (getattr(m, family)(**options) for m in (zoo.layers, keras.layers))
    expected = theirs.get_config()
    if family == "SimpleRNN":  # Keras loses these two.
        expected["seed"] = 3
        expected["activity_regularizer"] = ours.get_config()["activity_regularizer"]
        assert expected["activity_regularizer"]["config"]["l1"] == pytest.approx(0.01)
    assert ours.get_config() == expected
    assert type(ours).from_config(theirs.get_config()).units == 4
    assert type(theirs).from_config(ours.get_config()).units == 4
    assert type(ours).from_config(ours.get_config()).get_config() == expected
    cells = (getattr(m, family + "Cell") for m in (zoo.layers, keras.layers))
    configs = [cell(3, name="cell", seed=1).get_config() for cell in cells]
    assert configs[0] == configs[1]


@families
def test_dynamic_batch_and_time_in_a_graph(family):
    ours, theirs = twins(family, 4, features=3, return_sequences=True, return_state=True)
    call = tf.function(
        lambda x, mask: outputs_and_gradients_in_graph(ours, x, mask),
        input_signature=[
            tf.TensorSpec([None, None, 3], tf.float32),
            tf.TensorSpec([None, None], tf.bool),
        ],
    )
    rng = np.random.default_rng(0)
    for batch, time in ((2, 5), (3, 1), (1, 7)):
        x = rng.normal(size=(batch, time, 3)).astype("float32")
        mask = make_mask("holes", batch, time, rng)
        assert_close(call(x, mask), outputs_and_gradients_in_graph(theirs, tf.constant(x), mask))


def outputs_and_gradients_in_graph(layer, x, mask):
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, mask=mask, training=True)
        loss = sum(ops.sum(ops.square(y)) for y in outputs)
    gradients = tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])
    return [*outputs, *gradients]


@families
def test_xla_outputs_and_gradients_match_keras(family):
    ours, theirs = twins(family, 4, features=3, return_sequences=True, return_state=True)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(3, 5, 3)), tf.float32)
    mask = tf.constant(make_mask("right", 3, 5, rng))
    compiled = tf.function(outputs_and_gradients_in_graph, jit_compile=True)
    assert_close(compiled(ours, x, mask), outputs_and_gradients_in_graph(theirs, x, mask))


@families
def test_second_derivatives_match_keras_or_raise(family, monkeypatch):
    monkeypatch.setenv("ZOO_KERNEL", "keras")
    ours, theirs = twins(family, 4, features=3)
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 5, 3)), tf.float32)

    def second_derivatives(layer, **kwargs):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = ops.sum(layer(x, **kwargs))
            penalty = ops.sum(ops.square(inner.gradient(y, x)))
        return outer.gradient(penalty, [x, *(w.value for w in layer.trainable_weights)])

    expected = second_derivatives(theirs)
    assert_close(second_derivatives(ours), expected)
    with pytest.raises(NotImplementedError, match="unroll=True"):
        second_derivatives(ours, training=True)
    ours.unroll = True
    assert_close(second_derivatives(ours, training=True), expected)


@families
@pytest.mark.parametrize("rates", [(0.5, 0.0), (0.4, 0.3), (1.0, 1.0)])
def test_seeded_dropout_matches_keras(family, rates):
    if family == "SimpleRNN" and rates == (1.0, 1.0):
        pytest.skip(
            "at rate 1, keras.layers.SimpleRNN drops everything and the gated layers nothing"
        )
    ours, theirs = twins(
        family, 4, features=3, dropout=rates[0], recurrent_dropout=rates[1], seed=5
    )
    x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    for _ in range(2):
        actual = outputs_and_gradients(ours, x, training=True)
        expected = outputs_and_gradients(theirs, x, training=True)
        assert_close(actual[0], expected[0])
        assert_close(actual[1], expected[1])
    assert_close([ours(x)], [theirs(x)])


@pytest.mark.parametrize("family", ["LSTM", "GRU"])
def test_implementation_1_drops_different_inputs_for_each_gate(family):
    options = {"features": 3, "dropout": 0.5, "seed": 5, "implementation": 1}
    ours, theirs = twins(family, 4, use_cudnn=False, **options)
    x = np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32")
    assert_close([ours(x, training=True)], [theirs(x, training=True)])


@families
def test_dropout_masks_are_shared_by_steps_and_redrawn_in_every_call(family):
    layer = getattr(zoo.layers, family)(
        8, recurrent_initializer="zeros", dropout=0.5, seed=1, return_sequences=True
    )
    call = tf.function(lambda x: layer(x, training=True))
    x = np.ones((4, 6, 16), "float32")
    layer(x)
    first, second = (np.asarray(call(x)) for _ in range(2))
    assert np.abs(first - second).max() > 0.01
    if family == "SimpleRNN":
        np.testing.assert_allclose(first, first[:, :1].repeat(6, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(layer(x), layer(x, training=False))


@pytest.mark.parametrize("wrap", [lambda layer: layer, lambda layer: keras.layers.RNN(layer.cell)])
def test_recurrent_weight_masks_are_shared_by_steps_and_redrawn_in_every_call(wrap):
    options = {"activation": None, "recurrent_initializer": "identity", "use_bias": False}
    layer = zoo.layers.SimpleRNN(500, recurrent_weight_dropout=0.2, seed=1, **options)
    wrapped = wrap(layer)
    wrapped.return_sequences = True
    x = np.zeros((2, 3, 1), "float32")
    start = np.ones((2, 500), "float32")
    first, second = (np.asarray(wrapped(x, initial_state=[start], training=True)) for _ in range(2))
    kept = first[0, 0]
    assert np.mean(kept == 0) == pytest.approx(0.2, abs=0.05)
    np.testing.assert_allclose(kept[kept > 0], 1 / 0.8, rtol=1e-6)
    for sample in first:
        np.testing.assert_allclose(sample, kept ** np.array([[1], [2], [3]]), rtol=1e-5)
    assert np.abs(first - second).max() > 1
    np.testing.assert_array_equal(wrapped(x, initial_state=[start]), np.ones((2, 3, 500)))
    assert type(layer).from_config(layer.get_config()).recurrent_weight_dropout == 0.2


@families
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_recurrent_weight_dropout_out_of_range_raises(family, rate):
    with pytest.raises(ValueError, match=f"recurrent_weight_dropout={rate}"):
        getattr(zoo.layers, family)(4, recurrent_weight_dropout=rate)


def test_dropout_drops_the_given_fraction_and_keeps_the_mean():
    layer = zoo.layers.SimpleRNN(
        500, activation=None, kernel_initializer="identity", dropout=0.3, seed=1
    )
    y = np.asarray(layer(np.ones((100, 1, 500), "float32"), training=True))
    assert np.mean(y == 0) == pytest.approx(0.3, abs=0.01)
    assert np.mean(y) == pytest.approx(1.0, abs=0.01)


@families
def test_stateful_layers_keep_and_reset_their_state(family):
    layer, _ = twins(family, 4, features=3, stateful=True)
    whole, _ = twins(family, 4, features=3)
    x = np.random.default_rng(0).normal(size=(2, 6, 3)).astype("float32")
    for _ in range(2):
        layer(x[:, :2])
        assert_close([layer(x[:, 2:])], [whole(x)])
        layer.reset_state()
    assert_close([layer(x)], [whole(x)])


@families
def test_stateful_layers_with_a_symbolic_or_a_different_batch_size(family):
    layer = getattr(zoo.layers, family)(5, stateful=True)
    x = np.ones((2, 4, 3), "float32")
    layer(x)
    call = tf.function(layer, input_signature=[tf.TensorSpec((None, 4, 3), tf.float32)])
    assert call(x).shape == (2, 5)
    with pytest.raises(ValueError, match="batch size"):
        layer(np.ones((3, 4, 3), "float32"))


@families
def test_unroll_needs_a_known_number_of_steps(family):
    layer = getattr(zoo.layers, family)(4, unroll=True)
    with pytest.raises(ValueError, match="Cannot unroll"):
        tf.function(layer, input_signature=[tf.TensorSpec([2, None, 3])])(
            np.ones((2, 4, 3), "float32")
        )


@families
@pytest.mark.parametrize("return_sequences", [False, True])
@pytest.mark.parametrize("return_state", [False, True])
def test_symbolic_shapes_and_dtypes_match_computed_ones(family, return_sequences, return_state):
    layer = getattr(zoo.layers, family)(
        4, return_sequences=return_sequences, return_state=return_state, dtype="mixed_bfloat16"
    )
    x = np.ones((2, 5, 3), "float32")
    real = keras.tree.flatten(layer(x))
    symbolic = keras.tree.flatten(layer(keras.Input((5, 3), batch_size=2)))
    dynamic = keras.tree.flatten(layer(keras.Input((None, 3))))
    expected = [(2, 5, 4) if return_sequences else (2, 4)]
    if return_state:
        expected += [(2, 4)] * (2 if family == "LSTM" else 1)
    assert [tuple(y.shape) for y in real] == expected
    assert [tuple(y.shape) for y in symbolic] == expected
    assert [y.shape[-1] for y in dynamic] == [4] * len(expected)
    assert {keras.backend.standardize_dtype(y.dtype) for y in real + symbolic} == {"bfloat16"}
    assert {w.dtype for w in layer.weights} == {"float32"}


@families
@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [False, True])
def test_mixed_precision_matches_keras(family, dtype, training):
    ours, theirs = twins(family, 4, features=3, dtype=dtype, return_sequences=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    mask = make_mask("holes", 2, 5, rng)
    actual = outputs_and_gradients(ours, x, mask=mask, training=training)
    expected = outputs_and_gradients(theirs, x, mask=mask, training=training)
    assert actual[0][0].dtype == expected[0][0].dtype
    tolerance = 8 * EPSILON[dtype]
    assert_close(actual[0], expected[0], tolerance)
    assert_close(actual[1], expected[1], tolerance)


@families
@pytest.mark.parametrize("module", [zoo.layers, keras.layers])
def test_cells_in_the_rnn_of_keras_match_the_layer(family, module):
    """Dropout is drawn by the cell, so it matches too."""
    options = {"dropout": 0.3, "recurrent_dropout": 0.2, "seed": 5}
    layer = getattr(zoo.layers, family)(4, return_sequences=True, **options)
    rnn = keras.layers.RNN(getattr(module, family + "Cell")(4, **options), return_sequences=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    mask = make_mask("holes", 2, 5, rng)
    for built in (layer, rnn):
        built.build(x.shape)
        randomize(built.weights)
    for training in (False, True):
        actual = outputs_and_gradients(layer, x, mask=mask, training=training)
        expected = outputs_and_gradients(rnn, x, mask=mask, training=training)
        assert_close(actual[0], expected[0])
        assert_close(actual[1], expected[1])


@families
def test_stacked_cells_match_keras(family):
    results = []
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    mask = make_mask("holes", 2, 5, rng)
    for module in (zoo.layers, keras.layers):
        cell = getattr(module, family + "Cell")
        cells = keras.layers.StackedRNNCells([cell(4, dropout=0.5, seed=2), cell(3)])
        layer = keras.layers.RNN(cells, return_state=True)
        layer.build(x.shape)
        randomize(layer.weights)
        results.append(keras.tree.flatten(layer(x, mask=mask)))
        results[-1] += keras.tree.flatten(layer(x, mask=mask, training=True))
    assert_close(*results)


@families
def test_a_state_passed_without_a_list_is_returned_without_one(family):
    if family == "LSTM":
        pytest.skip("its two states are always in a list")
    cell = getattr(zoo.layers, family + "Cell")(4)
    x, h = np.ones((2, 3), "float32"), np.ones((2, 4), "float32")
    output, state = cell(x, h)
    listed, [state_in_list] = cell(x, [h])
    assert_close([output, state], [listed, state_in_list], 0.0)


@families
@pytest.mark.parametrize("merge_mode", ["concat", None])
def test_bidirectional_matches_keras(family, merge_mode):
    wrap = lambda layer: keras.layers.Bidirectional(layer, merge_mode=merge_mode)
    ours, theirs = twins(family, 4, features=3, wrap=wrap, return_sequences=True, return_state=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    states = random_states(family, 2, 4, rng) + random_states(family, 2, 4, rng)
    for mask in (None, make_mask("right", 2, 5, rng)):
        actual = outputs_and_gradients(ours, x, states, mask=mask)
        expected = outputs_and_gradients(theirs, x, states, mask=mask)
        assert_close(actual[0], expected[0])
        assert_close(actual[1], expected[1])


@families
def test_time_distributed_matches_keras(family):
    layers = [
        keras.layers.TimeDistributed(getattr(m, family)(4)) for m in (zoo.layers, keras.layers)
    ]
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 6)).astype("float32")
    for layer in layers:
        layer.build(x.shape)
        randomize(layer.weights)
    assert_close([layers[0](x)], [layers[1](x)])


@families
def test_masks_are_used_and_propagated(family):
    tokens = np.array([[4, 2, 7, 0, 0], [5, 0, 3, 1, 0]])
    embedding = keras.layers.Embedding(9, 3, mask_zero=True)
    layers = [
        getattr(zoo.layers, family)(4, return_sequences=True),
        keras.layers.Bidirectional(getattr(zoo.layers, family)(4, return_sequences=True)),
        getattr(zoo.layers, family)(4),
    ]
    assert all(layer.supports_masking for layer in layers)
    for layer, features in zip([embedding, *layers], (3, 3, 4, 8), strict=True):
        layer.build((2, 5, features))
        randomize(layer.weights)
    implicit = embedding(tokens)
    symbolic = embedding(keras.Input((5,), dtype="int32"))
    explicit = unmasked = ops.convert_to_tensor(ops.convert_to_numpy(embedding(tokens)))
    for layer in layers:
        implicit = layer(implicit)
        symbolic = layer(symbolic)
        explicit = layer(explicit, mask=tokens != 0)
        propagates = layer is not layers[-1]
        assert (getattr(symbolic, "_keras_mask", None) is not None) == propagates
    assert_close([implicit], [explicit])
    for layer in layers:
        unmasked = layer(unmasked)
    assert np.abs(ops.convert_to_numpy(unmasked - implicit)).max() > 1e-3


@families
def test_masked_inputs_have_no_effect(family):
    layer, _ = twins(family, 4, features=3, return_state=True)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 3)).astype("float32")
    mask = make_mask("holes", 2, 5, rng)
    other = np.where(mask[..., None], x, 100).astype("float32")
    assert_close(layer(x, mask=mask), layer(other, mask=mask), 0.0)
    (dx, *_) = outputs_and_gradients(layer, x, mask=mask)[1]
    assert not np.asarray(dx)[~mask].any()


@families
def test_regularizers_and_constraints_match_keras(family):
    results = []
    for module in (zoo.layers, keras.layers):
        layer = getattr(module, family)(
            4,
            kernel_regularizer="l2",
            recurrent_regularizer="l1",
            bias_regularizer="l2",
            kernel_constraint="non_neg",
            recurrent_constraint="max_norm",
            bias_constraint="unit_norm",
        )
        layer.build((2, 5, 3))
        randomize(layer.weights)
        results.append(layer.losses)
        names = [type(w.constraint).__name__ for w in layer.weights]
        assert names == ["NonNeg", "MaxNorm", "UnitNorm"]
    assert len(results[0]) == 3
    assert_close(*results)


@families
def test_activity_regularizer_adds_a_loss(family):
    layer = getattr(zoo.layers, family)(4, activity_regularizer=keras.regularizers.L1(2.0))
    y = layer(np.ones((2, 5, 3), "float32"))
    assert float(layer.losses[0]) == pytest.approx(2 * float(ops.sum(ops.abs(y))) / 2, rel=1e-6)


def small_model(module, family, dropout=0.0):
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(9, 3, mask_zero=True),
            keras.layers.Bidirectional(getattr(module, family)(4, return_sequences=True)),
            getattr(module, family)(4, dropout=dropout, seed=1),
            keras.layers.Dense(1),
        ]
    )


@families
@saves
def test_a_saved_model_loads_unchanged(family, tmp_path):
    model = small_model(zoo.layers, family, dropout=0.1)
    randomize(model.weights)
    tokens = np.random.default_rng(0).integers(0, 9, size=(3, 6))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[2]) is getattr(zoo.layers, family)
    assert_close([loaded(tokens)], [model(tokens)], 0.0)


@families
@saves
def test_weight_files_are_interchangeable_with_keras(family, tmp_path):
    ours, theirs = (small_model(module, family) for module in (zoo.layers, keras.layers))
    tokens = np.random.default_rng(0).integers(0, 9, size=(3, 6))
    for source, target in ((ours, theirs), (theirs, ours)):
        randomize(source.weights, seed=int(source is ours))
        source.save_weights(tmp_path / "model.weights.h5")
        target.load_weights(tmp_path / "model.weights.h5")
        assert_close([target(tokens)], [source(tokens)])


@families
def test_fit_matches_keras(family):
    x = np.random.default_rng(0).normal(size=(8, 6, 3))
    losses = []
    for module in (zoo.layers, keras.layers):
        model = keras.Sequential([keras.Input((None, 3)), getattr(module, family)(4)])
        randomize(model.weights)
        model.compile("sgd", "mse")
        history = model.fit(x, x[:, 0, :1], batch_size=4, epochs=2, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    model = keras.Sequential([keras.Input((None, 3)), getattr(zoo.layers, family)(4)])
    model.compile(jit_compile=True)
    assert model.jit_compile


@pytest.mark.parametrize("family", ["LSTM", "GRU"])
def test_another_use_cudnn_raises(family):
    with pytest.raises(ValueError, match="Received: use_cudnn=yes"):
        getattr(zoo.layers, family)(4, use_cudnn="yes")


@families
def test_layers_expose_the_arguments_of_their_cell(family):
    options = {"use_bias": False, "dropout": 0.1, "kernel_regularizer": "l2"}
    ours, theirs = (getattr(m, family)(4, **options) for m in (zoo.layers, keras.layers))
    parameters = inspect.signature(getattr(zoo.layers, family + "Cell").__init__).parameters
    for name in set(parameters) - {"self", "kwargs", "seed", *ZOO_ONLY}:
        assert type(getattr(ours, name)) is type(getattr(theirs, name)), name


@pytest.mark.parametrize("module", ["simple_rnn", "lstm", "gru"])
def test_docstring_examples_run(module):
    names = {"zoo": zoo, "np": np}
    result = doctest.testmod(importlib.import_module(f"zoo.layers.{module}"), extraglobs=names)
    assert result.attempted
    assert not result.failed
