"""A tracking server that goes away while a bench logs to it, in processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests
from bench_processes import finish, leftovers, output, runs, small_suite, start


@pytest.fixture
def server(tmp_path):
    """A function that starts a server on the store of `bench_processes.runs`; returns it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path / "mlruns"
    folder.mkdir()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"]
    command += ["--default-artifact-root", str(folder / "artifacts")]
    started = []

    def serve():
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (tmp_path / "server.txt").open("ab") as told:
            options = {"env": environment, "stdout": told, "stderr": told}
            started.append(subprocess.Popen(command, start_new_session=True, **options))
        uri = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 600
        while True:
            assert time.monotonic() < deadline, (tmp_path / "server.txt").read_text()
            try:
                requests.get(f"{uri}/health", timeout=5)
                return uri, started[-1]
            except requests.RequestException:
                time.sleep(0.2)

    yield serve
    for process in started:
        end(process)


def end(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
def test_a_run_whose_server_goes_away_is_resumed(tmp_path, server):
    suite = small_suite(tmp_path, epochs=3)
    uri, process = server()
    bench = start(tmp_path, suite, "--arch", "gru", MLFLOW_TRACKING_URI=uri)
    while not list(tmp_path.glob("mlruns/checkpoints/*/*.npz")):
        assert bench.is_alive(), output(tmp_path)
        time.sleep(0.02)
    end(process)
    bench.join(180)
    assert bench.exitcode == 2, output(tmp_path)
    told = output(tmp_path).splitlines()[-1]
    assert told.startswith(f"The tracking server {uri} failed: ")
    assert told.endswith("run the same command again once that is fixed.")
    assert "Traceback" not in output(tmp_path)
    assert list(tmp_path.glob("mlruns/checkpoints/*/*.npz"))
    server()
    finish(tmp_path, start(tmp_path, suite, "--arch", "gru", MLFLOW_TRACKING_URI=uri))
    (record,), status = runs(tmp_path)
    assert list(status.values()) == ["FINISHED"]
    assert record.tags["resumed"] == "1"
    assert leftovers(tmp_path) == []
