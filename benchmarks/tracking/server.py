"""The MLflow UI: its server, and the page that compares the newest runs."""

import subprocess
import sys

import mlflow

from benchmarks.tracking import charts, store


def serve(port):
    """Serves the UI of the local store until interrupted; returns the exit status."""
    server = [sys.executable, "-m", "mlflow", "ui", "--port", str(port)]
    server += ["--backend-store-uri", store.tracking_uri()]
    return subprocess.run(server, check=False).returncode


def ui_url(port):
    """The URL of the page that compares the runs of the newest experiment."""
    server = store.tracking_uri() if is_remote() else f"http://127.0.0.1:{port}"
    base = f"{server}/#/experiments"
    ids = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    newest = mlflow.search_runs(
        ids, order_by=["attributes.start_time DESC"], max_results=1, output_format="list"
    )
    if not newest:
        return base
    page = f"{base}/{newest[0].info.experiment_id}/runs?compareRunsMode=CHART"
    experiment = mlflow.get_experiment(newest[0].info.experiment_id)
    arranged = f"mlflow.sharedViewState.{charts.VIEW}" in experiment.tags
    return f"{page}&viewStateShareKey={charts.VIEW}" if arranged else page


def is_remote():
    """Whether runs are logged to a tracking server, which has its own UI."""
    return store.is_server(store.tracking_uri())
