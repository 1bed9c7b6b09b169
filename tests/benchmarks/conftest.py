"""A small benchmark: generated data, a suite of seconds, an MLflow store of its own."""

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
    """MLflow leaves connections to its database open; here alone that is not an error."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            for category in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{category}"))


@pytest.fixture(autouse=True, scope="package")
def _nothing_left_for_other_tests():
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


def tones(count, generator):
    """Three classes, told apart by the sign and size of the first feature."""
    labels = generator.integers(0, 3, count)
    lengths = generator.integers(3, 9, count)
    frames = [
        (generator.normal(size=(length, 4)) + (label - 1.0)).astype("float32")
        for label, length in zip(labels, lengths, strict=True)
    ]
    return {"frames": frames, "label": labels.tolist()}


def echo(count, generator):
    """Texts of the words a, b and c, and the same in capitals."""
    texts = [" ".join(generator.choice(list("abc"), 5)) for _ in range(count)]
    return {"source": texts, "target": [text.upper() for text in texts]}


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A store as MLflow makes it; it takes seconds, so tests start from copies."""
    folder = tmp_path_factory.mktemp("empty") / "mlruns"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "")
        patch.setattr(runs, "LOCAL_STORE", folder)
        runs.connect()
        mlflow.search_experiments()
    return folder


@pytest.fixture
def store(tmp_path, monkeypatch, empty_store):
    """An empty store of this test's own."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    shutil.copytree(empty_store, tmp_path / "mlruns")
    monkeypatch.setattr(runs, "LOCAL_STORE", tmp_path / "mlruns")
    # Sampling the machine takes a thread and seconds a run.
    monkeypatch.setattr(mlflow, "enable_system_metrics_logging", lambda: None)
    mlflow.disable_system_metrics_logging()
    runs.connect()
    yield
    while mlflow.active_run():
        mlflow.end_run()


@pytest.fixture
def suite(tmp_path, monkeypatch, store):
    """The path of the suite's file, with its data and an empty store in place."""
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
