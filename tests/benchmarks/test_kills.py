"""Runs killed by SIGKILL at random moments resume in another process.

Each process imports TensorFlow, so this takes minutes: `make test ARGS="-m slow"`. `KILLS` is the
number of runs to kill.
"""

import os
import random
import signal
import subprocess
import sys
import time

import mlflow
import numpy as np
import pytest

import zoo
from benchmarks.tracking import models, store

KILLS = int(os.environ.get("KILLS", 20))
MACHINE_DEPENDENT = {"train_seconds", "seconds_to_quality", "examples_per_second", "predict_ms"}
COMMAND = """
import sys
from pathlib import Path

from benchmarks.tracking import models, store

store.LOCAL_STORE = Path(sys.argv[1], "mlruns")
from benchmarks.__main__ import main

sys.exit(main(["run", "--suite", sys.argv[2], "--arch", "gru"]))
"""
SUITE = """
architectures: [gru]
seeds: 1
tasks:
  sentiment:
    dataset: {folder}
    splits: {{unlabelled: unlabelled}}
    quality: 0.6
    model: {{vocabulary_size: 60, embedding_dim: 8, units: 8, bidirectional: true, num_layers: 1,
            pooling: mean, dropout: 0.3, token_dropout: 0.1, max_length: 32}}
    recipe: # every step
      - pretrain: {{epochs: 3, window: 4}}
      - adversarial: {{norm: 1, epochs: 4, batch_size: 8, learning_rate: 0.01}}
      - ensemble: {{members: 2, ngrams: {{order: 2}}}}
      - pseudo_label:
"""
WORDS = {"good": ["fine", "grand", "funny", "warm"], "bad": ["dull", "dreary", "slow", "cold"]}


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """The path of a suite with every step, on a folder of generated texts."""
    root = tmp_path_factory.mktemp("kills")
    folder = root / "films"
    folder.mkdir()
    generator = np.random.default_rng(0)

    def text(label):
        words = [*generator.choice(WORDS[label], 3), *generator.choice(["a", "the", "film"], 5)]
        return " ".join(generator.permutation(words))

    for split, count in {"train": 120, "validation": 40, "test": 40}.items():
        rows = [f"{text(label)},{label}\n" for label in ["good", "bad"] * (count // 2)]
        (folder / f"{split}.csv").write_text("text,label\n" + "".join(rows))
    more = [f"{text(label)}\n" for label in ["good", "bad"] * 100]
    (folder / "unlabelled.csv").write_text("text\n" + "".join(more))
    path = root / "kills.yaml"
    path.write_text(SUITE.format(folder=folder))
    return path


def start(suite, root):
    """Starts the run in its own process, with its own store and cache."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(root), str(suite)],
        env={
            **os.environ,
            "PYTHONPATH": str(store.ROOT),
            "MLFLOW_TRACKING_URI": f"sqlite:///{root / 'mlflow.db'}",
            "ZOO_DATA_DIR": str(root / "cache"),
        },
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def wait_for_the_run(root, process):
    """Waits until the process has started its run, which creates a folder for checkpoints."""
    while not list(root.glob("mlruns/checkpoints/*")):
        assert process.poll() is None, process.communicate()[1].decode()
        time.sleep(0.05)


def finish(process):
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error.decode()


def result(root):
    """The metrics of the only run by step, and the weights of its model."""
    mlflow.set_tracking_uri(f"sqlite:///{root / 'mlflow.db'}")
    experiment = mlflow.get_experiment_by_name("sentiment/films")
    (run,) = mlflow.search_runs([experiment.experiment_id], output_format="list")
    assert run.info.status == "FINISHED"
    client = mlflow.MlflowClient()
    metrics = {
        name: {m.step: m.value for m in client.get_metric_history(run.info.run_id, name)}
        for name in run.data.metrics
        if name not in MACHINE_DEPENDENT and not name.startswith(("system/", "pretraining/seconds"))
    }
    (record,) = store.search([experiment.experiment_id], "")
    preset = models.download_preset(record, root / "downloaded")
    return metrics, zoo.load(preset, verify=False).get_weights()


@pytest.fixture(scope="module")
def uninterrupted(suite, tmp_path_factory):
    """The metrics, weights and duration of an uninterrupted run."""
    root = tmp_path_factory.mktemp("uninterrupted")
    process = start(suite, root)
    wait_for_the_run(root, process)
    began = time.monotonic()
    finish(process)
    return *result(root), time.monotonic() - began


@pytest.fixture(scope="module")
def killed():
    """The numbers of the runs that were killed before they were finished."""
    return []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_a_run_killed_at_a_random_moment_ends_as_an_uninterrupted_one(
    suite, uninterrupted, killed, number, tmp_path
):
    expected_metrics, expected_weights, seconds = uninterrupted
    process = start(suite, tmp_path)
    wait_for_the_run(tmp_path, process)
    time.sleep(random.Random(number).uniform(0, 1) * seconds)
    if list(tmp_path.glob("mlruns/checkpoints/*")):
        killed.append(number)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finish(start(suite, tmp_path))
    metrics, weights = result(tmp_path)
    assert metrics == expected_metrics
    for one, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_most_runs_were_killed_before_they_were_finished(killed):
    assert len(killed) > KILLS / 2
