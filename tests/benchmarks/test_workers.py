"""Runs side by side: the same numbers as in turn, in their order, whatever dies."""

import contextlib
import graphlib
import importlib.util
import io
import os
import secrets
import signal
import subprocess
import sys
import time
import types

import mlflow
import numpy as np
import psutil
import pytest
from bench_processes import MACHINE_DEPENDENT
from rich.console import Console

from benchmarks import __main__ as command_line
from benchmarks import run as running
from benchmarks import workers
from benchmarks.recipes.ensemble import Ensemble
from benchmarks.tracking import server, store

with_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra `distributed`"
)
SUITE = """
architectures: [rnn, gru]
seeds: 2
tasks:
  together:
    based_on: sentiment
    task: sentiment
    architectures: [gru]
    seeds: 1
    recipe:
      - fit: {{epochs: {epochs}, batch_size: 8, learning_rate: 0.01}}
      - ensemble: {{members: 2}}
  sentiment:
    dataset: {folder}
    quality: 0.6
    model: {{vocabulary_size: 40, embedding_dim: 8, units: 8, bidirectional: false, num_layers: 1,
            pooling: mean, dropout: 0.3, max_length: 32}}
    recipe:
      - fit: {{epochs: {epochs}, batch_size: 8, learning_rate: 0.01}}
"""
WORDS = {"good": ["fine", "grand", "funny", "warm"], "bad": ["dull", "dreary", "slow", "cold"]}


class InProcess:
    """A pool whose calls run here, one after the other."""

    def each(self, function, calls, after):
        results = {}
        for name in graphlib.TopologicalSorter(after).static_order():
            results[name] = function(*calls[name], *(results[one] for one in after[name]))
            yield name, results[name]


@pytest.fixture
def pool(monkeypatch):
    monkeypatch.setattr(running, "prepare_worker", lambda: None)
    return InProcess()


def run(configs, pool):
    """Runs configurations in a pool and returns what is printed of each, without warnings."""
    console = Console(file=io.StringIO(), width=120)
    running.run_suite(configs, console, pool=pool)
    return [line for line in console.file.getvalue().splitlines() if line.startswith("[")]


def ensemble_and_members(load):
    alone = load(tasks=["speech"], chosen=["gru"], seeds=2, epochs=1)
    recipe = (*alone[0].recipe, Ensemble(members=2))
    return [alone[0].model_copy(update={"recipe": recipe, "entry": "together"}), *alone]


def test_an_ensemble_waits_for_the_runs_it_reuses(load, pool):
    lines = run(ensemble_and_members(load), pool)
    assert [line.split(" · ")[0] for line in lines] == [
        "[2/3] speech/tones",
        "[3/3] speech/tones",
        "[1/3] speech/tones/together",
    ]
    experiment = mlflow.get_experiment_by_name("speech/tones/together")
    (logged,) = mlflow.search_runs([experiment.experiment_id], output_format="list")
    assert {"member_0", "member_1"} <= logged.data.tags.keys()


@pytest.mark.slow
def test_an_ensemble_waits_for_a_member_that_another_process_trains(load, pool, monkeypatch):
    configs = ensemble_and_members(load)
    once = running._run_unless_taken
    asked = []

    def taken_at_first(config, rerun, timeout):
        asked.append((config.title, config.entry, timeout))
        return once(config, rerun, timeout) if timeout or config.seed else None

    monkeypatch.setattr(running, "_run_unless_taken", taken_at_first)
    lines = run(configs, pool)
    together, first, second = (f"[{number}/3]" for number in (1, 2, 3))
    assert [line.split()[0] for line in lines] == [second, first, together, first, together]
    assert [line.endswith("waiting") for line in lines] == [False, True, True, False, False]
    assert asked == [
        ("gru, seed 0", "speech", 0),
        ("gru, seed 1", "speech", 0),
        ("gru, seed 0", "speech", -1),
        ("gru, seed 0", "together", -1),
    ]


def test_without_workers_everything_runs_here(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it weren't installed
    for count in (None, 1):
        with workers.started(count) as pool:
            assert pool is None


@pytest.mark.parametrize(
    ("address", "message"), [("", r"\[distributed\]"), ("10.0.0.1:6379", "Unset it")]
)
def test_workers_that_cannot_be_had_are_an_error(address, message, monkeypatch, suite, capsys):
    monkeypatch.setenv("RAY_ADDRESS", address)
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it weren't installed
    with pytest.raises(workers.WorkerError, match=message), workers.started(2):
        pass


def test_ray_is_started_again_if_it_gives_up(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    outcomes = [Exception("timed out"), None]
    ray = types.SimpleNamespace(
        init=lambda *_, **__: raised(outcomes.pop(0)), shutdown=lambda: None
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    with workers.started(2) as pool:
        assert isinstance(pool, workers.Pool)
    outcomes += [Exception("timed out")] * workers.STARTS
    with pytest.raises(workers.WorkerError, match=r"timed out.*=1"), workers.started(2):
        pass
    assert outcomes == []


def raised(error):
    if error:
        raise error


def test_a_cluster_needs_a_tracking_server(monkeypatch, suite, capsys):
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert command_line.main(["run", "--suite", suite]) == 2
    assert "MLFLOW_TRACKING_URI" in capsys.readouterr().out


def test_workers_suit_suites_that_train_models_alone(capsys):
    assert command_line.main(["run", "--suite", "layers", "--workers", "2"]) == 2
    assert "'workers' doesn't apply to it" in " ".join(capsys.readouterr().out.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of generated texts, one label in five wrong."""
    root = tmp_path_factory.mktemp("data") / "films"
    root.mkdir()
    generator = np.random.default_rng(0)
    for split, count in {"train": 120, "validation": 40, "test": 60}.items():
        rows = []
        for label in ["good", "bad"] * (count // 2):
            told = label if generator.random() < 0.8 else "good"
            words = [*generator.choice(WORDS[told], 2), *generator.choice(["a", "the", "film"], 5)]
            rows.append(f"{' '.join(generator.permutation(words))},{label}\n")
        (root / f"{split}.csv").write_text("text,label\n" + "".join(rows))
    return root


class Bench:
    """A bench in a process of its own, with its own store."""

    def __init__(self, root, folder, *options, epochs=20, **environment):
        self.root = root
        suite = root / "tiny.yaml"
        suite.write_text(SUITE.format(folder=folder, epochs=epochs))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks", "run", "--suite", suite, *options],
            env={
                **os.environ,
                "ZOO_RUNS_DIR": str(root / "mlruns"),
                "ZOO_DATA_DIR": str(folder.parent / "cache"),
                "MLFLOW_TRACKING_URI": "",
                **environment,
            },
            cwd=store.ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def end(self, status=0):
        """Waits for the end, which has this status; returns the printed text."""
        output, _ = self.process.communicate(timeout=1800)
        assert self.process.returncode == status, output
        return output

    def worker_with_a_checkpoint(self):
        """Waits for a process that trains and has saved a checkpoint."""
        while True:
            assert self.process.poll() is None, self.process.communicate()[0]
            for saved in self.root.glob("mlruns/checkpoints/*/*.npz"):
                for one in psutil.process_iter():
                    with contextlib.suppress(psutil.Error):  # of one that has ended
                        if str(saved.parent / ".lock") in [file.path for file in one.open_files()]:
                            return one
            time.sleep(0.05)

    def runs(self, uri=None):
        """All logged runs, without the leaderboard's."""
        mlflow.set_tracking_uri(uri or f"sqlite:///{self.root / 'mlruns' / 'mlflow.db'}")
        experiments = mlflow.search_experiments(filter_string="name != 'leaderboard'")
        ids = [experiment.experiment_id for experiment in experiments]
        return mlflow.search_runs(ids, output_format="list")

    def numbers(self, uri=None):
        """The metrics of each finished run by step, without those of the machine."""
        found = {}
        for one in self.runs(uri):
            if one.info.status == "FINISHED":
                history = mlflow.MlflowClient().get_metric_history
                name = (one.data.tags["entry"], one.info.run_name)
                assert name not in found
                found[name] = {
                    metric: {value.step: value.value for value in history(one.info.run_id, metric)}
                    for metric in one.data.metrics
                    if metric not in MACHINE_DEPENDENT and not metric.startswith("system/")
                }
        return found


@pytest.fixture(scope="module")
def in_turn(folder, tmp_path_factory):
    """The numbers of a bench that runs in turn."""
    bench = Bench(tmp_path_factory.mktemp("in_turn"), folder)
    bench.end()
    return bench.numbers()


@with_ray
@pytest.mark.slow
def test_side_by_side_gives_the_numbers_of_one_after_the_other(folder, in_turn, tmp_path):
    bench = Bench(tmp_path, folder, "--workers", "2")
    output = bench.end()
    assert bench.numbers() == in_turn
    assert len(in_turn) == 7
    values = {numbers["test/accuracy"][0] for numbers in in_turn.values()}
    assert len(values) > 2  # or equal numbers would say little
    assert {one.data.tags["threads"] for one in bench.runs()} == {"1"}
    (together,) = (one for one in bench.runs() if "ensemble.members" in one.data.params)
    assert {"member_0", "member_1"} <= together.data.tags.keys()
    assert all(output.count(f"[{number}/7] ") == 1 for number in range(1, 8))


def of_gru(numbers):
    return {name: values for name, values in numbers.items() if name[1].startswith("gru")}


@with_ray
@pytest.mark.slow
def test_a_worker_that_dies_goes_on_from_its_checkpoint(folder, in_turn, tmp_path):
    bench = Bench(tmp_path, folder, "--workers", "2", "--arch", "gru")
    bench.worker_with_a_checkpoint().kill()
    bench.end()
    assert bench.numbers() == of_gru(in_turn)
    assert {one.info.status for one in bench.runs()} == {"FINISHED"}
    assert "1" in [one.data.tags.get("resumed") for one in bench.runs()]


@pytest.fixture
def tracking(tmp_path):
    """The address of a tracking server."""
    with server.of_folder(tmp_path) as address:
        yield address


@with_ray
@pytest.mark.slow
def test_a_node_that_is_killed_loses_nothing(folder, in_turn, tmp_path, tracking, monkeypatch):
    monkeypatch.setenv("ZOO_RUNS_DIR", str(tmp_path / "mlruns"))  # which the nodes share
    monkeypatch.setenv("ZOO_DATA_DIR", str(folder.parent / "cache"))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    from ray.cluster_utils import Cluster  # which reads them

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        addresses = {"RAY_ADDRESS": cluster.address, "MLFLOW_TRACKING_URI": tracking}
        bench = Bench(tmp_path, folder, "--arch", "gru", **addresses)
        worker = bench.worker_with_a_checkpoint()
        (node,) = (
            one
            for one in nodes
            if worker.ppid() in [info.process.pid for info in one.all_processes["raylet"]]
        )
        cluster.remove_node(node, allow_graceful=False)
        bench.end()
    finally:
        cluster.shutdown()
    assert bench.numbers(tracking) == of_gru(in_turn)
    assert {one.info.status for one in bench.runs(tracking)} == {"FINISHED"}
    assert "1" in [one.data.tags.get("resumed") for one in bench.runs(tracking)]


@with_ray
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_workers_and_their_runs(folder, tmp_path, number):
    bench = Bench(tmp_path, folder, "--workers", "2", "--arch", "gru", epochs=2000)
    bench.worker_with_a_checkpoint()
    children = psutil.Process(bench.process.pid).children(recursive=True)
    bench.process.send_signal(number)
    bench.end(130 if number == signal.SIGINT else 128 + number)
    _, alive = psutil.wait_procs(children, timeout=300)
    assert not alive
    assert {one.info.status for one in bench.runs()} == {"KILLED"}


@with_ray
@pytest.mark.slow
def test_workers_die_with_a_bench_that_is_killed(folder, tmp_path):
    bench = Bench(tmp_path, folder, "--workers", "2", "--arch", "gru", epochs=2000)
    bench.worker_with_a_checkpoint()
    children = psutil.Process(bench.process.pid).children(recursive=True)
    bench.process.kill()
    _, alive = psutil.wait_procs(children, timeout=300)
    assert not alive
