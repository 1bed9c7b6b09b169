"""Benches in processes of their own, each with its own store and cache, and what they leave."""

import multiprocessing
import os
import sys

import mlflow
import psutil

from benchmarks import __main__ as command_line
from benchmarks.tracking import store

MACHINE_DEPENDENT = {"train_seconds", "seconds_to_quality", "examples_per_second", "predict_ms"}
LEFTOVERS = ("incomplete.*", ".fetching-*", "tmp*", "*.tmp", "*.new", "*.new-*")

SUITE = """
architectures: [gru]
seeds: 1
tasks:
  sentiment:
    dataset: {folder}
    quality: 0.6
    model: {{vocabulary_size: 60, embedding_dim: 4, units: 4, bidirectional: false, num_layers: 1,
            pooling: mean, dropout: 0.0, token_dropout: 0.0, max_length: 16}}
    recipe:
      - fit: {{epochs: {epochs}, batch_size: 32, learning_rate: 0.01}}
"""

# Forks processes that have imported TensorFlow and MLflow, which takes longer than a small bench.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["benchmarks.report", "benchmarks.run", "benchmarks.tracking"])


def small_suite(root, epochs):
    """Writes a suite of one small run, and a folder of generated texts for it; returns its path."""
    folder = root / "films"
    folder.mkdir()
    rows = [f"a {word} film {n},{word}" for n in range(60) for word in ("good", "bad")]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows, ""]))
    path = root / "films.yaml"
    path.write_text(SUITE.format(folder=folder, epochs=epochs))
    return path


def start(root, suite, *choices, **environment):
    """Starts a bench in a process and a session of its own; its output goes to `root/output.txt`.

    Args:
        root: `Path` of the folder of its store, cache and compiled kernels.
        suite: the path of its suite.
        choices: further arguments of the command line.
        environment: further environment variables.

    Returns:
        A `multiprocessing.Process`.
    """
    environment = {
        "MLFLOW_TRACKING_URI": "",
        "ZOO_DATA_DIR": str(root / "cache"),
        **environment,
    }
    arguments = ["run", "--suite", str(suite), *choices]
    process = _context.Process(target=_bench, args=(root, arguments, environment))
    process.start()
    return process


def _bench(root, arguments, environment):
    os.setsid()
    os.chdir(root)
    os.environ.update(environment)
    with (root / "output.txt").open("ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    store.LOCAL_STORE = root / "mlruns"
    sys.exit(command_line.main(arguments))


def finish(root, *processes):
    """Waits for benches, which must succeed."""
    for process in processes:
        process.join(900)
    assert [process.exitcode for process in processes] == [0] * len(processes), output(root)


def output(root):
    return (root / "output.txt").read_text()


def runs(root):
    """The `Record` of every run but the leaderboard's in the store, and their status by id."""
    mlflow.set_tracking_uri(f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
    records = [one for one in store.every_run() if "entry" in one.tags]
    return records, {one.run_id: mlflow.get_run(one.run_id).info.status for one in records}


def metrics(record):
    """The values of each metric that don't depend on the machine, in the order of logging."""
    client = mlflow.MlflowClient()
    return {
        name: [(one.step, one.value) for one in client.get_metric_history(record.run_id, name)]
        for name in record.metrics
        if name not in MACHINE_DEPENDENT and not name.startswith(("system/", "pretraining/seconds"))
    }


def leftovers(root):
    """Temporary files and checkpoints of a bench that has ended, and processes it has started."""
    found = [str(path) for pattern in LEFTOVERS for path in root.rglob(pattern)]
    found += [str(path) for path in root.glob("mlruns/checkpoints/*")]
    for process in psutil.process_iter():
        try:
            is_ours = process.environ().get("ZOO_DATA_DIR") == str(root / "cache")
        except (psutil.Error, OSError):
            continue
        if is_ours and process.status() != psutil.STATUS_ZOMBIE:
            found.append(" ".join(process.cmdline()))
    return found
