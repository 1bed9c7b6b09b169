"""The store of runs: its location, and what is read back from it."""

import dataclasses
import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# MLflow's own defaults wait more than seven minutes for an unreachable server.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import filelock
import mlflow
from mlflow.entities import ViewType
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from benchmarks import metrics
from benchmarks.config import ConfigError
from benchmarks.tracking import errors

ROOT = Path(__file__).parent.parent.parent
# With checkpoints and claims, also of runs that are logged elsewhere.
LOCAL_STORE = Path(os.environ.get("ZOO_RUNS_DIR") or ROOT / "mlruns").expanduser().absolute()
NOTE = "mlflow.note.content"
SQLITE = "sqlite:///"
CURVES = "curves"  # the tag that names the metrics whose steps aren't epochs


@dataclasses.dataclass(frozen=True)
class Record:
    """A run as stored in MLflow.

    Attributes:
        run_id, experiment_id: str, MLflow's identifiers.
        tags, params: dicts of str.
        metrics: dict of float, the last value of each metric.
    """

    run_id: str
    experiment_id: str
    tags: dict
    params: dict
    metrics: dict

    @property
    def description(self):
        """The description in the UI, or an empty str."""
        return self.tags.get(NOTE, "")

    @property
    def model_uri(self):
        """MLflow's URI of the logged model."""
        return f"runs:/{self.run_id}/model"

    @property
    def selection_key(self):
        """A sort key to select a model, higher is better: the metric on the validation split, then
        the loss."""
        name = self.tags["validation_metric"]
        loss = self.metrics["best/val/loss"]
        return metrics.get(name).rank(self.metrics[f"best/val/{name}"]), -loss


def connect():
    """Connects MLflow to `MLFLOW_TRACKING_URI`, by default a SQLite database in this checkout, and
    marks runs whose process died as KILLED.

    Raises:
        TrackingError: the tracking server can't be reached.
    """
    for name in ("mlflow", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)
    uri = tracking_uri()
    if is_server(uri):
        errors.check_server(uri)
    elif path := _sqlite_file(uri):
        _make_database(path)
    mlflow.set_tracking_uri(uri)
    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(5)
    _end_dead_runs()


def _sqlite_file(uri):
    """The `Path` of the SQLite database that a tracking URI names; None if it names another store.

    It may name a driver and options, as in `sqlite+pysqlite:///runs.db?timeout=60`.
    """
    try:
        url = make_url(uri)
    except ArgumentError:  # a folder
        return None
    is_file = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return Path(url.database) if is_file else None


def _make_database(path):
    """Creates an empty store unless there is one.

    MLflow's migrations aren't transactional: a store whose creation was interrupted could never be
    opened again. So it is created under another name, by a single process.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(f".{path.name}.lock")):
        if path.is_file():
            return
        prefix = f".{path.name}.new-"
        for leftover in path.parent.glob(f"{prefix}*"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=path.parent) as folder:
            draft = Path(folder, path.name)
            made = SqlAlchemyStore(f"{SQLITE}{draft}", str(path.parent / "artifacts"))
            made.delete_experiment("0")  # MLflow's default one, which stays empty
            made.engine.dispose()
            draft.replace(path)


def check_version():
    """Raises ConfigError if the runs are those of an older version, which would be trained again.

    Raises:
        ConfigError: the store has to be migrated first.
    """
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    oldest = mlflow.search_runs(
        experiments,
        filter_string="tags.config_digest LIKE '%'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
        output_format="list",
    )
    if experiments and oldest and "config" not in oldest[0].data.tags:
        raise ConfigError(
            f"The runs in {tracking_uri()} are from an older version. Run once: "
            "python -m benchmarks migrate"
        )


def check_shared():
    """Raises TrackingError if other machines can't log to the store."""
    uri = tracking_uri()
    if uri.startswith(SQLITE):
        raise errors.TrackingError(
            f"The nodes of a cluster can't log to {uri}. Start a tracking server, and set "
            "MLFLOW_TRACKING_URI to its address."
        )


def tracking_uri():
    """The URI that runs are logged to."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def is_server(uri):
    """Whether a tracking URI is that of a server."""
    return uri.startswith(("http:", "https:"))


def is_local():
    """Whether runs are logged to the store in this checkout."""
    return mlflow.get_tracking_uri() == _local_uri()


def find_finished(config, dataset_digest):
    """The `Record` of the newest finished run with this configuration and data, or None."""
    experiment = mlflow.get_experiment_by_name(config.experiment)
    if experiment is None:
        return None
    found = _of_config(config, dataset_digest, [experiment.experiment_id])
    return found[0] if found else None


def find_killed(config, dataset_digest):
    """The `Record` of the newest killed or failed run that can be resumed, or None.

    It has the same configuration and data, and its checkpoints are on this machine.
    """
    return next(iter(unfinished(config, dataset_digest)), None)


def unfinished(config, dataset_digest):
    """The runs with this configuration and data that ended early and left checkpoints here.

    Returns:
        A list of `Record`, newest first.
    """
    experiment = mlflow.get_experiment_by_name(config.experiment)
    if experiment is None:
        return []
    found = _of_config(config, dataset_digest, [experiment.experiment_id], "!=")
    return [record for record in found if is_over(record.run_id)]


def finished(configs):
    """The newest finished run of each configuration.

    Within an experiment, only runs on the same data as the newest one count.

    Args:
        configs: list of `RunConfig`.

    Returns:
        A dict from the name of an experiment, such as `sentiment/rotten_tomatoes`, to a list of
        `Record`; experiments without runs are left out.
    """
    found = {}
    for name in dict.fromkeys(config.experiment for config in configs):
        experiment = mlflow.get_experiment_by_name(name)
        if experiment is None:
            continue
        wanted = {config.digest for config in configs if config.experiment == name}
        newest = {}
        for record in search([experiment.experiment_id], "attributes.status = 'FINISHED'"):
            if record.tags.get("config_digest") in wanted:
                newest.setdefault(record.tags["config_digest"], record)
        digests = [record.tags["dataset_digest"] for record in newest.values()]
        same_data = [r for r in newest.values() if r.tags["dataset_digest"] == digests[0]]
        if same_data:
            found[name] = same_data
    return found


def latest(suite):
    """The newest finished runs of a suite that times layers or measures presets.

    Args:
        suite: str, the name of the suite.

    Returns:
        A dict from the name of an experiment, such as `layers/lstm`, to a list of `Record`, one per
        architecture, implementation and preset.
    """
    found = {}
    for experiment in mlflow.search_experiments():
        records = {}
        for record in search(
            [experiment.experiment_id],
            f"attributes.status = 'FINISHED' and tags.suite = '{suite}'",
        ):
            key = tuple(
                record.tags.get(tag) for tag in ("architecture", "implementation", "preset")
            )
            records.setdefault(key, record)
        if records:
            found[experiment.name] = list(records.values())
    return found


def newest(experiment_ids):
    """The `Record` of the newest run of these experiments, or None if they have none."""
    return next(iter(search(experiment_ids, "", 1)), None)


def search(experiment_ids, query, limit=100_000):
    """The `Record` of each run that matches an MLflow filter string, newest first."""
    runs = mlflow.search_runs(
        experiment_ids,
        filter_string=query,
        run_view_type=ViewType.ACTIVE_ONLY,
        max_results=limit,
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    return [
        Record(
            run.info.run_id,
            run.info.experiment_id,
            dict(run.data.tags),
            dict(run.data.params),
            dict(run.data.metrics),
        )
        for run in runs
    ]


def every_run():
    """The `Record` of every run with any status, newest first."""
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    return search(experiments, "") if experiments else []


def update_run(run_id, tags, params=None, remove=()):
    """Updates a run that has ended: sets tags, adds params, and removes tags by name."""
    client = mlflow.MlflowClient()
    for name, value in (params or {}).items():
        client.log_param(run_id, name, value)
    for name, value in tags.items():
        client.set_tag(run_id, name, value)
    for name in remove:
        client.delete_tag(run_id, name)


def mark(experiment_id, view, records):
    """Marks the runs that a view shows, and no others of their experiment.

    Args:
        experiment_id: str.
        view: str, the name of the view.
        records: list of `Record`.
    """
    client, name = mlflow.MlflowClient(), mark_name(view)
    marked = {record.run_id for record in search([experiment_id], f"tags.`{name}` = 'yes'")}
    shown = {record.run_id for record in records}
    for run_id in marked - shown:
        client.delete_tag(run_id, name)
    for run_id in shown - marked:
        client.set_tag(run_id, name, "yes")


def mark_name(view):
    """The tag of the runs that a view shows."""
    return f"shown.{view}"


def metric_names(records):
    """The names of the metrics of these records, sorted."""
    return sorted({name for record in records for name in record.metrics})


def architectures():
    """The names of the architectures and baselines that any run has, a set of str."""
    return {record.tags["architecture"] for record in every_run() if "architecture" in record.tags}


def epochs(record):
    """The metrics of each epoch of a run: a dict from the epoch to a dict by name."""
    found = {}
    for name in record.metrics:
        if name.startswith(("train/", "val/")):
            for step, value in _history(record, name).items():
                found.setdefault(step, {})[name] = value
    return found


def curves(record):
    """The curves of an `Evaluation`: a dict from their name to a dict from the step to the
    value."""
    return {name: _history(record, name) for name in curve_names(record)}


def curve_names(record):
    """The names of the curves of a run, a list of str."""
    return [name for name in record.tags.get(CURVES, "").split(", ") if name]


def _history(record, name):
    """The values of a metric by step; for a step that was logged again, the last value."""
    history = mlflow.MlflowClient().get_metric_history(record.run_id, name)
    return {metric.step: metric.value for metric in history}


def of_config(config, dataset_digest):
    """The finished runs with this configuration and data in any experiment, newest first."""
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    return _of_config(config, dataset_digest, experiments)


def checkpoints(run_id):
    """The folder for the checkpoints of a run, on this machine; it exists until the run is done."""
    return LOCAL_STORE / "checkpoints" / run_id


def lock(run_id):
    """The lock that a process holds while it logs a run; the system releases it if it dies."""
    return filelock.FileLock(checkpoints(run_id) / ".lock")


def claim(name):
    """A lock for what only one process on this machine may do at a time, such as to train a
    configuration."""
    folder = LOCAL_STORE / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock")


def is_over(run_id):
    """Whether no process on this machine is logging a run any more."""
    if not checkpoints(run_id).is_dir():
        return False
    try:
        with lock(run_id).acquire(timeout=0):
            return True
    except filelock.Timeout:
        return False


def end_runs_of_older_versions():
    """Marks as KILLED the runs that older versions, with no configuration as JSON, left RUNNING."""
    for record in every_run():
        if "config_digest" in record.tags and "config" not in record.tags:
            run = mlflow.get_run(record.run_id)
            if run.info.status == "RUNNING":
                mlflow.MlflowClient().set_terminated(record.run_id, "KILLED")


def _end_dead_runs():
    """Marks as KILLED the runs that are RUNNING although their process has died."""
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    for record in search(experiments, "attributes.status = 'RUNNING'") if experiments else ():
        if is_over(record.run_id):
            mlflow.MlflowClient().set_terminated(record.run_id, "KILLED")


def _of_config(config, dataset_digest, experiment_ids, finished="="):
    """The runs of a configuration and data, newest first: the finished ones, or with `"!="` the
    others."""
    return search(
        experiment_ids,
        f"attributes.status {finished} 'FINISHED' and tags.config_digest = '{config.digest}' "
        f"and tags.dataset_digest = '{dataset_digest}'",
    )


def _local_uri():
    return f"{SQLITE}{LOCAL_STORE / 'mlflow.db'}"
