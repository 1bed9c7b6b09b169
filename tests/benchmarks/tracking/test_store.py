"""The store of runs: how it is made, and what is said when it fails."""

import errno
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from rich.console import Console
from sqlalchemy.exc import DatabaseError

from benchmarks import __main__ as command_line
from benchmarks import run as running
from benchmarks.data import task_of
from benchmarks.tracking import errors, models
from benchmarks.tracking import store as module

CONNECT = """
import sys
from pathlib import Path

from benchmarks.tracking import runs, store

store.LOCAL_STORE = Path(sys.argv[1])
store.connect()
with runs.open_run("task/data", "a", {"architecture": "gru"}, {}):
    pass
"""


@pytest.fixture
def new_store(tmp_path, monkeypatch):
    """The folder of a store that isn't there yet."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setattr(module, "LOCAL_STORE", tmp_path / "new")
    monkeypatch.setattr(mlflow, "enable_system_metrics_logging", lambda: None)
    return tmp_path / "new"


def test_a_store_whose_making_was_cut_off_is_made_again(new_store, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SqlAlchemyStore, "delete_experiment", interrupt)
        with pytest.raises(KeyboardInterrupt):
            module.connect()
    assert not (new_store / "mlflow.db").exists()
    (new_store / ".mlflow.db.new-killed").mkdir()
    (new_store / ".mlflow.db.new-killed" / "mlflow.db").write_bytes(b"half a database")
    module.connect()
    assert mlflow.search_experiments() == []
    assert {path.name for path in new_store.iterdir()} == {"mlflow.db", ".mlflow.db.lock"}


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sqlite:///a/runs.db", "a/runs.db"),
        ("sqlite+pysqlite:////a/runs.db?timeout=60", "/a/runs.db"),
        ("sqlite:///", None),
        ("sqlite:///:memory:", None),
        ("postgresql://host/runs", None),
        ("./mlruns", None),
        ("databricks", None),
    ],
)
def test_the_file_of_a_store_is_read_from_its_uri(uri, expected):
    assert module._sqlite_file(uri) == (expected and Path(expected))


@pytest.mark.slow
def test_processes_that_start_at_once_share_a_new_store(tmp_path):
    environment = {**os.environ, "MLFLOW_TRACKING_URI": ""}
    command = [sys.executable, "-c", CONNECT, str(tmp_path / "new")]
    started = [subprocess.Popen(command, env=environment) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]


def test_a_server_that_is_away_is_one_line_at_once(suite, monkeypatch, capsys):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    start = time.perf_counter()
    assert command_line.main(["run", "--suite", suite]) == 2
    assert time.perf_counter() - start < 10
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2  # what is run, and why it isn't
    assert lines[1].startswith(f"The tracking server {uri} can't be reached (")


def test_a_port_that_never_answers_is_told_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        start = time.perf_counter()
        with pytest.raises(errors.TrackingError, match=f"{uri} can't be reached .*timed out"):
            errors.check_server(uri)
        assert time.perf_counter() - start < 10


@errors.explained()
def explain(raised):
    raise raised


@pytest.mark.parametrize(
    ("raised", "expected", "message"),
    [
        (requests.ConnectionError("refused"), errors.TrackingError, "failed: refused. What is"),
        (MlflowException("(OperationalError) database or disk is full"), OSError, "disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "x.h5"), OSError, "disk is full .x.h5"),
        (OSError(errno.ENOSPC, "No space left on device", "x.h5"), OSError, "disk is full .x.h5"),
        (RuntimeError("Failed to write: No space left on device"), OSError, "disk is full"),
        (
            DatabaseError("SELECT", (), Exception("no database\n")),
            errors.TrackingError,
            "no database",
        ),
        (ValueError("a bug"), ValueError, "a bug"),
    ],
)
def test_what_a_store_suffers_from_is_explained(raised, expected, message):
    with pytest.raises(expected, match=message) as error:
        explain(raised)
    assert "\n" not in str(error.value)


def test_names_of_registered_models_are_allowed_ones():
    assert models.registered_name("sentiment/glue/sst2") == "sentiment.glue.sst2"
    assert models.registered_name("speech/vowels:1.0.0") == "speech.vowels-1.0.0"


def test_what_another_process_trains_is_waited_for(load, monkeypatch, capsys):

    configs = load(tasks=["speech"], chosen=["gru", "rnn"], epochs=1)
    name = f"{configs[0].digest} {task_of(configs[0])[1]}"
    is_taken, is_over = threading.Event(), threading.Event()

    def train_elsewhere():
        with module.claim(name):
            is_taken.set()
            is_over.wait()

    threading.Thread(target=train_elsewhere).start()
    is_taken.wait()
    trained, run_one = [], running.run_one

    def counted(config, *args, **options):
        trained.append(config.architecture)
        is_over.set()
        return run_one(config, *args, **options)

    monkeypatch.setattr(running, "run_one", counted)
    running.run_suite(configs, Console(width=200))
    assert trained == ["rnn", "gru"]
    assert "gru, seed 0: another process is training it; waiting" in capsys.readouterr().out
