"""The registry of task models, and the schema of a raw input."""

import numpy as np
import pytest

from zoo.models import InputSchema, protocol

TEXT = InputSchema("text", "string")
TURNS = InputSchema("turns", "string", rank=1)
WAVEFORM = InputSchema("audio", "float32", rank=1)
FRAMES = InputSchema("frames", "float32", rank=2)


@pytest.mark.parametrize(
    ("schema", "value"),
    [(TEXT, "a fine film"), (TEXT, ""), (TURNS, ["Hi!", ""]), (TURNS, [])],
)
def test_strings_are_parsed_as_they_are(schema, value):
    assert schema.parse(value) == value


def test_an_array_of_strings_becomes_a_list():
    assert TURNS.parse(np.array(["Hi!", "Hello."], object)) == ["Hi!", "Hello."]


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4]],
        np.array([[1.0, 2], [3, 4]]),
        [np.array([1, 2]), [3, 4]],
        np.array([np.array([1.0, 2], object), np.array([3.0, 4], object), None], object)[:2],
    ],
)
def test_numbers_become_float32_whatever_holds_them(value):
    array = FRAMES.parse(value)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (TEXT, ["a"], r"`text` must be a str\. Received: \['a'\]"),
        (TEXT, 3, r"`text` must be a str\. Received: 3"),
        (TURNS, "Hi!", r"`turns` must be a list of str\. Received: 'Hi!'"),
        (TURNS, ["Hi!", 3], r"`turns` must be a list of str\. Received: \['Hi!', 3\]"),
        (WAVEFORM, [[1.0]], r"`audio` must be a list of float\. Received: \[\[1\.0\]\]"),
        (WAVEFORM, ["1"], r"`audio` must be a list of float"),
        (WAVEFORM, [None], r"`audio` must be a list of float"),
        (FRAMES, [1.0], r"`frames` must be a list of lists of float"),
        (FRAMES, [[1.0], [1.0, 2.0]], r"`frames` must be a list of lists of float"),
        (FRAMES, "frames.npy", r"`frames` must be a list of lists of float"),
        (WAVEFORM, [[0.0] * 1000], r"Received: .{200}\.\.\.$"),
    ],
)
def test_a_value_of_another_type_or_rank_is_refused(schema, value, message):
    with pytest.raises(ValueError, match=message):
        schema.parse(value)


def test_an_unknown_model_names_the_nearest():
    assert protocol.get("Translator") is protocol.registered()["Translator"]
    with pytest.raises(ValueError, match=r"no model 'Translater'\. Did you mean 'Translator'"):
        protocol.get("Translater")


def test_a_name_is_registered_once():
    other = type("Translator", (protocol.TaskModel,), {"__module__": "elsewhere"})
    with pytest.raises(ValueError, match="'Translator' is already registered"):
        protocol.register(other)
    assert protocol.get("Translator") is not other
