"""Runs killed by SIGKILL at random moments resume in another process.

This takes minutes: `make test ARGS="-m slow"`. `KILLS` is the number of runs to kill.
"""

import os
import random
import signal
import time

import numpy as np
import pytest
from bench_processes import finish, metrics, output, runs, start

import zoo
from benchmarks.tracking import models

KILLS = int(os.environ.get("KILLS", 20))
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


def wait_for_the_run(root, process):
    """Waits until the process has started its run, which creates a folder for checkpoints."""
    while not list(root.glob("mlruns/checkpoints/*")):
        assert process.is_alive(), output(root)
        time.sleep(0.05)


def result(root):
    """The metrics of the only run, and the weights of its model."""
    (record,), status = runs(root)
    assert list(status.values()) == ["FINISHED"]
    preset = models.download_preset(record, root / "downloaded")
    by_step = {name: dict(history) for name, history in metrics(record).items()}
    return by_step, zoo.load(preset, verify=False).get_weights()


@pytest.fixture(scope="module")
def uninterrupted(suite, tmp_path_factory):
    """The metrics, weights and duration of an uninterrupted run."""
    root = tmp_path_factory.mktemp("uninterrupted")
    process = start(root, suite, "--arch", "gru")
    wait_for_the_run(root, process)
    began = time.monotonic()
    finish(root, process)
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
    process = start(tmp_path, suite, "--arch", "gru")
    wait_for_the_run(tmp_path, process)
    time.sleep(random.Random(number).uniform(0, 1) * seconds)
    if list(tmp_path.glob("mlruns/checkpoints/*")):
        killed.append(number)
    os.killpg(process.pid, signal.SIGKILL)
    process.join()
    finish(tmp_path, start(tmp_path, suite, "--arch", "gru"))
    found, weights = result(tmp_path)
    assert found == expected_metrics
    for one, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_most_runs_were_killed_before_they_were_finished(killed):
    assert len(killed) > KILLS / 2
