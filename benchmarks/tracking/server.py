"""The MLflow UI: its server, and the page that it opens on."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import mlflow

from benchmarks.tracking import charts, errors, store

HOST = "127.0.0.1"


@contextlib.contextmanager
def running(port):
    """Context manager that runs the UI of the local store.

    Args:
        port: int.

    Yields:
        The `Popen` of the server, as soon as it answers or has failed.

    Raises:
        TrackingError: the port is taken.
    """
    _check_free(port)
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    # One process is enough for one user, and imports MLflow once. No job is ever queued.
    command += ["--workers", "1", "--backend-store-uri", store.tracking_uri()]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(command, env=environment) as server:
        try:
            while server.poll() is None and not errors.answers(f"http://{HOST}:{port}"):
                time.sleep(0.2)
            yield server
        finally:
            server.terminate()


@contextlib.contextmanager
def of_folder(folder):
    """Context manager that runs a tracking server whose store is in a folder.

    Args:
        folder: str or `Path`, which gets the database, the artifacts and the server's log.

    Yields:
        Its address, as soon as it answers.

    Raises:
        TrackingError: it ends at once. The message has its log.
    """
    with socket.socket() as free:
        free.bind((HOST, 0))
        address = f"http://{HOST}:{free.getsockname()[1]}"
    command = [sys.executable, "-m", "mlflow", "server", "--port", address.rpartition(":")[2]]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{Path(folder, 'server.db')}"]
    command += ["--artifacts-destination", str(Path(folder, "artifacts"))]
    log = Path(folder, "server.log")
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            while not errors.answers(address):
                if server.poll() is not None:
                    raise errors.TrackingError(
                        f"The tracking server ended at once:\n{log.read_text()}"
                    )
                time.sleep(0.2)
            yield address
        finally:
            server.terminate()


def ui_url(port):
    """The URL of the newest run's page: the leaderboard after a bench. Only
    arranged pages count; without any, it is the list of experiments."""
    server = store.tracking_uri() if is_remote() else f"http://{HOST}:{port}"
    experiments = {one.experiment_id: one for one in mlflow.search_experiments()}
    views = {
        id: [tag.removeprefix(charts.PREFIX) for tag in one.tags if tag.startswith(charts.PREFIX)]
        for id, one in experiments.items()
    }
    arranged = [id for id, names in views.items() if names]
    newest = store.newest(arranged) if arranged else None
    if newest is None:
        return f"{server}/#/experiments?workflowType=machine_learning"
    names = views[newest.experiment_id]
    own = charts.view_name(newest.tags.get("suite", ""))
    return f"{server}/{charts.url(newest.experiment_id, own if own in names else names[0])}"


def is_remote():
    """Whether runs are logged to a tracking server, which has its own UI."""
    return store.is_server(store.tracking_uri())


def _check_free(port):
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            raise errors.TrackingError(
                f"Port {port} is taken, perhaps by an earlier make ui. Stop that, or use another "
                f"port: make ui PORT={port + 1}"
            ) from error
