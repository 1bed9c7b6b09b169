"""Every task model answers the whole protocol, alone and in an ensemble."""

import functools
import json

import keras
import numpy as np
import pytest
from examples import EXAMPLES
from keras import tree

import zoo
from zoo import models
from zoo.export import ExportError, export
from zoo.models import protocol
from zoo.models.eager_preprocessing import without_preprocessor


@functools.cache
def build(name, members=1):
    """A model of an example, or an ensemble of several."""
    example = EXAMPLES[name]
    built = []
    for number in range(members):
        keras.utils.set_random_seed(number)
        built.append(example.build(example.ARCHITECTURES[number % len(example.ARCHITECTURES)]))
    return models.ensemble(built)


@pytest.fixture(params=EXAMPLES)
def name(request):
    return request.param


@pytest.fixture
def example(name):
    return EXAMPLES[name]


@pytest.fixture(params=[1, 2], ids=["alone", "ensemble"])
def model(name, request):
    if request.param > 1 and build(name).ensemble_class is None:
        pytest.skip("This task kind has no ensembles.")
    return build(name, request.param)


def assert_alike(answers, expected):
    for found, value in zip(tree.flatten(answers), tree.flatten(expected), strict=True):
        assert found == pytest.approx(value, abs=1e-5)


def test_every_registered_class_has_an_example():
    classes = set()
    for name in EXAMPLES:
        classes |= {type(build(name)), build(name).ensemble_class}
    assert set(protocol.registered().values()) == classes - {None}


@pytest.mark.parametrize(
    ("name", "architecture"),
    [(name, one) for name, example in EXAMPLES.items() for one in example.ARCHITECTURES],
)
def test_gradient_reaches_every_weight(name, architecture):
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = EXAMPLES[name].build(architecture)
    x, y, sample_weight = EXAMPLES[name].batch(model)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x), sample_weight)
    weights = model.trainable_variables
    gradients = tape.gradient(loss, [weight.value for weight in weights])
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient is not None, weight.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, weight.path


def test_mixed_precision_trains_and_answers_nearly_the_same(example):
    def built(policy):
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            keras.utils.set_random_seed(0)
            return example.build(example.ARCHITECTURES[0])
        finally:
            keras.config.set_dtype_policy(before)

    model, expected = built("mixed_bfloat16"), built("float32")
    model.set_weights(expected.get_weights())
    batch = example.batch(model)
    found = model.compute_loss(batch[0], batch[1], model(batch[0]), batch[2])
    wanted = expected.compute_loss(batch[0], batch[1], expected(batch[0]), batch[2])
    assert float(found) == pytest.approx(float(wanted), rel=0.005, abs=0.002)
    if model.trainable_weights:
        with without_preprocessor(model):
            model.train_on_batch(*batch)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert json.dumps(model.answers(example.INPUTS))


def test_answers_do_not_depend_on_the_batch(model, example):
    together = model.answers(example.INPUTS)
    alone = [answer for one in example.INPUTS for answer in model.answers([one])]
    assert_alike(alone, together)
    assert model.answers([]) == []


def test_answers_are_json_and_a_line_of_text(model, example):
    for answer in model.answers(example.INPUTS):
        assert json.loads(json.dumps(answer)) == answer
        assert len(f"{model.answer_text(answer)}.".splitlines()) == 1


def test_a_raw_input_survives_json(model, example):
    as_json = json.dumps(example.INPUTS, default=lambda array: array.tolist())
    inputs = [model.input_schema.parse(value) for value in json.loads(as_json)]
    assert model.answers(inputs) == model.answers(example.INPUTS)


def test_a_raw_input_is_read_from_the_command_line(model, example, tmp_path):
    read = model.read_input(example.argument(example.INPUTS[0], tmp_path))
    np.testing.assert_array_equal(read, example.INPUTS[0])
    assert type(read) is type(example.INPUTS[0])


def test_a_preset_answers_as_its_model(model, example, tmp_path):
    model.save_to_preset(str(tmp_path))
    loaded = zoo.load(str(tmp_path), verify=False)
    assert type(loaded) is type(model)
    assert loaded.answers(example.INPUTS) == model.answers(example.INPUTS)


def test_gates_have_a_value_for_each_step(model, example):
    found = zoo.gates(model, example.INPUTS[0])
    assert {gates.architecture for gates in found} <= set(example.ARCHITECTURES)
    assert bool(found) == (example.ARCHITECTURES != [None])
    for gates in found:
        assert gates.steps
        for values in gates.values.values():
            assert len(values) == len(gates.steps)


def test_the_exported_network_returns_the_same_or_the_obstacle_is_named(name, example, tmp_path):
    import tensorflow as tf

    model = build(name)
    if obstacle := model.export_obstacle("savedmodel"):
        with pytest.raises(ExportError) as error:
            export(model, tmp_path / "saved", "savedmodel")
        assert str(error.value) == obstacle
        return
    x = getattr(example, "export_inputs", lambda model: example.batch(model)[0])(model)
    export(model, tmp_path / "saved", "savedmodel")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    expected = tree.flatten(model.export_network()(x))
    for found, value in zip(tree.flatten(loaded.serve(x)), expected, strict=True):
        np.testing.assert_allclose(found, value, atol=1e-5)


def test_an_ensemble_is_of_the_same_kind_and_no_member_of_another(name):
    model = build(name)
    if model.ensemble_class is None:
        with pytest.raises(ValueError, match="task kind that has ensembles"):
            models.ensemble([model, model])
        return
    together = build(name, 2)
    assert type(together) is model.ensemble_class
    assert together.task_kind == model.task_kind
    assert together.input_schema == model.input_schema
    assert len(together.members) == 2
    assert list(model.members) == [model]
    with pytest.raises(ValueError, match="none may be an ensemble itself"):
        models.ensemble([model, together])


def test_a_quantized_model_is_saved_and_loaded(name, example, tmp_path):
    keras.utils.set_random_seed(0)
    architecture = example.ARCHITECTURES[0]
    members = [example.build(architecture)]
    if members[0].ensemble_class is not None:
        members.append(example.build(architecture))
    model = models.ensemble(members)
    before = model.answers(example.INPUTS)
    model.quantize("int8")
    expected = model.answers(example.INPUTS)
    types = {weight.dtype for weight in model.weights}
    assert ("int8" in types) == (name != "ngram_classifier")
    for found, value in zip(tree.flatten(expected), tree.flatten(before), strict=True):
        if isinstance(value, float):
            assert found == pytest.approx(value, rel=0.2, abs=0.2)
    model.save_to_preset(str(tmp_path / "saved"))
    loaded = zoo.load(str(tmp_path / "saved"), verify=False)
    assert {weight.dtype for weight in loaded.weights} == types
    assert_alike(loaded.answers(example.INPUTS), expected)
