"""Raw inputs of every task model: what holds them, and what is refused."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from examples import EXAMPLES

from zoo.models.protocol import InputError

WRONG = {
    "None": [None],
    "number": [3],
    "not a number": [float("nan")],
    "half of a surrogate pair": ["\ud800"],
    "array": np.array(["a", None], object),
    "integers": np.array([[[1]], [[2]]]),
    "tensor": tf.constant([[[1]], [[2]]]),
    "dataset": tf.data.Dataset.from_tensor_slices([[[1]], [[2]]]).batch(2),
    "nothing": None,
}
# Their `fit` takes lists that their preprocessor has to see, or its batches.
OF_LISTS = ("forecaster", "speech_recognizer_of_frames", "speech_recognizer_of_waveforms")
IGNORED = "ignore:`shuffle=True` was passed:UserWarning"


@functools.cache
def build(name):
    keras.utils.set_random_seed(0)
    return EXAMPLES[name].build(EXAMPLES[name].ARCHITECTURES[0])


@pytest.fixture(params=EXAMPLES)
def name(request):
    return request.param


@pytest.fixture
def model(name):
    return build(name)


def is_numeric(name):
    return build(name).input_schema.dtype != "string"


def targets(name, model):
    """Targets of the inputs of an example; None if a model's inputs are its targets."""
    example = EXAMPLES[name]
    if hasattr(example, "TARGETS"):
        return example.TARGETS
    return np.arange(len(example.INPUTS)) % 2 if hasattr(model, "labels") else None


def ragged(inputs):
    if isinstance(inputs[0], np.ndarray):
        rows = np.concatenate(inputs).astype("float32")
        return tf.RaggedTensor.from_row_lengths(rows, [len(one) for one in inputs])
    return tf.ragged.constant(inputs) if isinstance(inputs[0], list) else tf.constant(inputs)


@pytest.fixture
def trained_on_raw_inputs(name):
    if name in OF_LISTS:
        pytest.skip("Its pipeline doesn't preprocess raw inputs in training.")


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_input_is_refused(model, wrong):
    with pytest.raises(InputError, match=r"must be|must have"):
        model.answers(WRONG[wrong])


@pytest.mark.usefixtures("trained_on_raw_inputs")
@pytest.mark.parametrize("wrong", ["None", "number", "array"])
def test_a_wrong_input_is_not_trained_on(name, model, wrong):
    wrong = WRONG[wrong]
    pairs = {"encoder_text": wrong, "decoder_text": ["a"] * len(wrong)}
    model.compile()
    with pytest.raises(InputError, match="must be"):
        model.fit(pairs if name == "translator" else wrong, targets(name, model))
    with pytest.raises(InputError, match=r"must be|must have"):
        model.train_on_batch({**pairs} if name == "translator" else list(wrong))


def test_tensors_and_datasets_are_answered_as_lists(name, model):
    inputs = EXAMPLES[name].INPUTS
    expected = model.answers(inputs)
    tensor = ragged(inputs)
    dataset = tf.data.Dataset.from_tensor_slices(tensor)
    assert_alike(model, model.answers(tensor), expected)
    for batched in (dataset.batch(2), dataset):
        assert_alike(model, model.answers(batched), expected)


def assert_alike(model, found, expected):
    for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
        assert one == pytest.approx(other, abs=1e-5)


@pytest.mark.usefixtures("trained_on_raw_inputs")
@pytest.mark.filterwarnings(IGNORED)
@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning")
def test_raw_inputs_are_fitted_and_evaluated_however_they_are_held(name, model):
    inputs, y = EXAMPLES[name].INPUTS, targets(name, model)
    held = {"list": inputs}
    if name != "dialogue_model":
        held["tensor"] = ragged(inputs)
    if name == "translator":
        held = {key: {"encoder_text": x, "decoder_text": x} for key, x in held.items()}
    if name != "dialogue_model":
        pairs = held["tensor"] if y is None else (held["tensor"], y)
        held["dataset"] = tf.data.Dataset.from_tensor_slices(pairs).batch(len(inputs))
    model.compile()
    losses = []
    for x in held.values():
        options = {"verbose": 0} if isinstance(x, tf.data.Dataset) else {"y": y, "verbose": 0}
        result = model.evaluate(x, **options)
        losses.append(np.ravel(result)[0])
    np.testing.assert_allclose(losses, losses[0], rtol=1e-5)
    for x in held.values():
        options = {"verbose": 0} if isinstance(x, tf.data.Dataset) else {"y": y, "verbose": 0}
        history = model.fit(x, validation_data=(held["list"], y), **options).history
        assert np.isfinite([history["loss"], history["val_loss"]]).all()


@pytest.mark.usefixtures("trained_on_raw_inputs")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_dataset_of_values_that_are_not_finite_is_refused(name, model, value):
    if not is_numeric(name):
        pytest.skip("This model takes text.")
    batch = np.full((2, *np.shape(EXAMPLES[name].INPUTS[-1])), value, "float32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be finite"):
        model.predict(tf.data.Dataset.from_tensor_slices(batch).batch(2))


def test_lora_trains_the_layers_that_it_is_told_or_says_which_it_can(name):
    model = EXAMPLES[name].build(EXAMPLES[name].ARCHITECTURES[0])
    trainable = len(model.trainable_variables)
    with pytest.raises(ValueError, match="LoRA would leave nothing to train") as error:
        model.backbone.enable_lora(2)
    assert len(model.trainable_variables) == trainable
    if "'token_embedding'" in str(error.value):
        model.backbone.enable_lora(2, ["token_embedding"])
        paths = [variable.path for variable in model.backbone.trainable_variables]
        assert len(paths) == 2
        assert all("lora" in path for path in paths)
