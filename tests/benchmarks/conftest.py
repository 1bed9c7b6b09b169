"""Fixtures: a suite that runs in seconds on generated data, and a separate MLflow store."""

import gc
import shutil
import types
import warnings
from pathlib import Path

import mlflow
import numpy as np
import pytest
import tensorflow_datasets as tfds

from benchmarks import config, data
from benchmarks.tracking import store as runs
from zoo import datasets

SUITE = """
architectures: [gru, rnn]
seeds: 1
tasks:
  speech:
    dataset: tones
    quality: 0.1
    model: {units: 4, bidirectional: false, num_layers: 1, pooling: mean, dropout: 0.1,
            noise: 0.1, shift: 0.1, frame_dropout: 0.1}
    recipe:
      - fit: {epochs: 3, batch_size: 8, learning_rate: 0.02}
  translation:
    dataset: echo
    quality: 0.1
    model: {vocabulary_size: 290, embedding_dim: 8, units: 8, bidirectional: true, num_layers: 1,
            attention: luong, dropout: 0.0, max_length: 16, beam_width: 2}
    recipe:
      - fit: {epochs: 1, batch_size: 8, learning_rate: 0.01}
"""


def pytest_collection_modifyitems(items):
    """Ignores, in these tests only, that MLflow leaves database connections open."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for category in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{category}"))


@pytest.fixture(autouse=True, scope="package")
def _collect_open_connections():
    """Closes what MLflow left open before other tests turn its warnings into errors."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def tones(count, generator):
    """Three classes of frames, which differ by their mean."""
    labels = generator.integers(0, 3, count)
    lengths = generator.integers(3, 9, count)
    frames = [
        (generator.normal(size=(length, 4)) + (label - 1.0)).astype("float32")
        for label, length in zip(labels, lengths, strict=True)
    ]
    return {"frames": frames, "label": labels.tolist()}


def echo(count, generator):
    """Texts of the words a, b and c, to be translated into upper case."""
    texts = [" ".join(generator.choice(list("abc"), 5)) for _ in range(count)]
    return {"source": texts, "target": [text.upper() for text in texts]}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A new MLflow store. Creating one takes seconds, so tests copy it."""
    folder = tmp_path_factory.mktemp("empty") / "mlruns"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        patch.setattr(runs, "LOCAL_STORE", folder)
        runs.connect()
        mlflow.search_experiments()
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch, empty_store):
    """Connects to an empty MLflow store for this test."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    shutil.copytree(empty_store, tmp_path / "mlruns")
    monkeypatch.setattr(runs, "LOCAL_STORE", tmp_path / "mlruns")
    # System metrics cost a thread and seconds per run.
    monkeypatch.setattr(mlflow, "enable_system_metrics_logging", lambda: None)
    mlflow.disable_system_metrics_logging()
    runs.connect()
    yield
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture
def suite(tmp_path, monkeypatch, store):
    """The path of the small suite, with its data and an empty store set up."""
    splits = {"train": 40, "validation": 16, "test": 20}

    def builder(name):
        make = {"tones": tones, "echo": echo}[name]
        content = {
            split: make(count, np.random.default_rng(seed))
            for seed, (split, count) in enumerate(splits.items())
        }
        text = tfds.features.Text()
        features = {
            "tones": {
                "frames": tfds.features.Tensor(shape=(None, 4), dtype=np.float32),
                "label": tfds.features.ClassLabel(names=["low", "middle", "high"]),
            },
            "echo": {"source": text, "target": text},
        }
        info = types.SimpleNamespace(
            features=tfds.features.FeaturesDict(features[name]),
            redistribution_info=types.SimpleNamespace(license="CC0"),
            description="# Heading\n\nTones of three heights." if name == "tones" else None,
            splits={k: types.SimpleNamespace(num_examples=v) for k, v in splits.items()},
        )
        return types.SimpleNamespace(content=content, info=info)

    monkeypatch.setattr(datasets, "builder", builder)
    monkeypatch.setattr(datasets, "read", lambda builder, split: builder.content[split])
    monkeypatch.setattr(datasets, "digest", lambda builder: "0" * 64)
    data.load_task.cache_clear()
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    yield str(path)
    data.load_task.cache_clear()


@pytest.fixture
def load(suite):
    """`config.load` of the small suite."""
    return lambda **options: config.load(suite, **options)
