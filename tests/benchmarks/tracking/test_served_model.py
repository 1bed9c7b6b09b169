"""Served models answer malformed requests with the status 400 and one line of reason."""

import json

import mlflow
import numpy as np
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import scoring_server

from benchmarks.tracking import models, runs, store
from zoo.models import (
    AudioBackbone,
    AudioClassifier,
    AudioClassifierPreprocessor,
    SubwordTokenizer,
    TextBackbone,
    TextClassifier,
    TextClassifierPreprocessor,
)

MIXED = "mixed_bfloat16"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Models as MLflow serves them, by the name of their input."""
    subwords = SubwordTokenizer.train(["a fine film\n", "a dull film\n"], 30, byte_fallback=False)
    text = TextClassifier(
        TextBackbone(subwords.vocabulary_size(), "gru", embedding_dim=4, units=4, dtype=MIXED),
        ["a", "b"],
        TextClassifierPreprocessor(subwords),
    )
    frames = AudioClassifier(
        AudioBackbone("gru", feature_dim=3, units=4),
        ["a", "b"],
        AudioClassifierPreprocessor(feature_dim=3),
    )
    examples = {"text": (text, "a film"), "frames": (frames, np.zeros((2, 3), "float32"))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        patch.setattr(store, "LOCAL_STORE", tmp_path_factory.mktemp("served"))
        patch.setattr(mlflow, "enable_system_metrics_logging", lambda: None)
        store.connect()
        loaded = {}
        for name, (model, example) in examples.items():
            with runs.open_run(name, name, {"architecture": "gru"}, {}) as run:
                models.log_model(model, example)
            loaded[name] = mlflow.pyfunc.load_model(f"runs:/{run.run_id}/model")
    return loaded


def ask(model, body):
    """The answer of MLflow's server to a request, decoded from JSON."""
    schema = model.metadata.get_input_schema()
    answer = scoring_server.invocations(json.dumps(body), "application/json", model, schema)
    assert answer.status == 200
    return json.loads(answer.response)["predictions"]


def test_a_model_trained_with_mixed_precision_is_loaded_in_float32(served):
    model = served["text"].unwrap_python_model().model
    assert model.backbone.dtype_policy.name == "float32"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", ["a film", ""]),
        ("text", ["a film"]),
        ("text", []),
        ("frames", [[[0, 1, 2]], [[0, 1, 2], [3, 4.5, 5]]]),
        ("frames", [[[0, 1, 2]]]),
    ],
)
def test_raw_inputs_are_answered(served, name, values):
    assert len(ask(served[name], {"inputs": {name: values}})) == len(values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", [None]),
        ("text", ["a", None]),
        ("text", ["a", 3]),
        ("text", [3]),
        ("text", [["a"], ["b"]]),
        ("text", [{"a": "b"}]),
        ("text", 3),
        ("text", None),
        ("frames", [None]),
        ("frames", [[]]),
        ("frames", [[[]]]),
        ("frames", [[[1, 2]]]),
        ("frames", [[[1, 2, 3], [4]]]),
        ("frames", [[[1, 2, None]]]),
        ("frames", [[["a", "b", "c"]]]),
        ("frames", [[[1, 2, 1e39]]]),
        ("frames", ["a"]),
        ("frames", [3]),
    ],
)
def test_a_malformed_input_is_refused_in_one_line(served, name, values):
    with pytest.raises(MlflowException) as error:
        ask(served[name], {"inputs": {name: values}})
    assert error.value.get_http_status_code() == 400
    told = json.loads(error.value.serialize_as_json())
    assert "stack_trace" not in told
    _, reason = told["message"].splitlines()
    assert reason.startswith("Error: ")


@pytest.mark.parametrize("body", [{}, [], 3, None, {"inputs": {}}, {"inputs": {"sound": [1]}}])
def test_a_malformed_request_is_refused(served, body):
    with pytest.raises(MlflowException) as error:
        ask(served["text"], body)
    assert error.value.get_http_status_code() == 400
