"""Presets answer on the backend of Keras that `KERAS_BACKEND` names as they do on TensorFlow.

`make test-backends` runs these on JAX and torch.
"""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import zoo

# One preset of each way to answer.
PRESETS = {
    "imdb_lstm": ["a wonderful film", "dull"],
    "spoken_digit_gru": [[0.1, -0.2, 0.05] * 900, [0.3, 0.0, -0.3] * 500],
    "m4_hourly_gru": [[float(10 + n % 24) for n in range(300)]],
    "multi30k_de_en_gru": ["ein hund läuft ."],
    "wikitext2_lstm": ["The king"],
    "an4_gru": [[0.1, -0.2, 0.05, 0.2] * 4000],
}

if keras.backend.backend() == "tensorflow":
    pytest.skip("these compare another backend with TensorFlow", allow_module_level=True)


@pytest.fixture(scope="module")
def expected():
    code = (
        "import json, sys, zoo\n"
        "presets = json.load(sys.stdin)\n"
        "print(json.dumps({name: zoo.load(name).answers(x) for name, x in presets.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(PRESETS),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "ZOO_KERNEL": "keras"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def assert_same(found, expected):
    """Asserts that two answers are the same, with numbers up to 1e-3 of their size."""
    found, expected = (keras.tree.flatten(each) for each in (found, expected))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, float):
            assert one == pytest.approx(other, rel=1e-3, abs=1e-3)
        else:
            assert one == other


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_answers_as_on_tensorflow(name, expected):
    assert_same(zoo.load(name).answers(PRESETS[name]), expected[name])


@pytest.mark.parametrize("name", ["imdb_lstm", "spoken_digit_gru", "an4_gru"])
def test_a_stream_answers_as_on_tensorflow(name, expected):
    stream, answers = zoo.stream(zoo.load(name)), []
    for input in PRESETS[name]:
        stream.reset()
        input = input if isinstance(input, str) else np.array(input, "float32")
        for start in range(0, len(input), 1000):
            stream.read(input[start : start + 1000])
        stream.read(is_last=True)
        answers.append(stream.answer)
    assert_same(answers, expected[name])


@pytest.mark.parametrize("name", ["imdb_rnn", "spoken_digit_rnn"])
def test_a_classifier_is_fine_tuned(name):
    model = zoo.load(name)
    x = PRESETS[{"imdb_rnn": "imdb_lstm", "spoken_digit_rnn": "spoken_digit_gru"}[name]]
    y = np.array([1, 0])
    before = model.predict(x)
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy())
    model.fit(x, y, batch_size=2, epochs=2, verbose=0)
    assert np.abs(model.predict(x) - before).max() > 1e-5
