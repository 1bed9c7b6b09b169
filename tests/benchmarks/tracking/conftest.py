"""Fixtures: saved views, read as the MLflow UI reads them."""

import base64
import json
import zlib

import mlflow
import pytest


@pytest.fixture
def read_view():
    """A function that reads a saved view of an experiment by its name."""

    def read(experiment, name):
        tags = mlflow.get_experiment_by_name(experiment).tags
        state = json.loads(tags[f"mlflow.sharedViewState.{name}"])["state"]
        return json.loads(zlib.decompress(base64.b64decode(state.removeprefix("deflate;"))))

    return read
