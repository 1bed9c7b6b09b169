"""The store of runs: logs them to MLflow and reads them back."""

import contextlib
import dataclasses
import io
import logging
import os
import shutil
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import keras
import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import ViewType
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Schema

from benchmarks import metrics
from benchmarks.config import BASELINE
from benchmarks.layers.implementations import IMPLEMENTATIONS
from benchmarks.recipes.step import Finished
from benchmarks.tracking import processes
from zoo import pretrained
from zoo.layers import architectures

ROOT = Path(__file__).parent.parent.parent
LOCAL_STORE = ROOT / "mlruns"
NOTE = "mlflow.note.content"
SERVED_REQUIREMENTS = ("keras", "keras-hub", "sentencepiece", "tensorflow")


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


@dataclasses.dataclass(frozen=True)
class OpenRun:
    """A run that is being logged.

    Attributes:
        run_id: str, MLflow's identifier.
        checkpoints: `Path` of the folder for its checkpoints, which is deleted when it finishes.
        logged_epochs: frozenset of int, the epochs that a resumed run has already logged.
    """

    run_id: str
    checkpoints: Path
    logged_epochs: frozenset = frozenset()

    def log_epoch(self, values, epoch):
        """Logs the metrics of an epoch, counted from 1, unless they are already logged."""
        if epoch not in self.logged_epochs:
            mlflow.log_metrics(values, step=epoch)


def connect():
    """Connects MLflow to `MLFLOW_TRACKING_URI`, by default a SQLite database in this checkout, and
    marks runs whose process died as KILLED."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri())
    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(5)
    if is_local():
        LOCAL_STORE.mkdir(exist_ok=True)
        # A new store has an empty default experiment.
        with contextlib.suppress(mlflow.exceptions.MlflowException):
            mlflow.delete_experiment("0")
    _end_dead_runs()


def tracking_uri():
    """The URI that runs are logged to."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


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
    experiment = mlflow.get_experiment_by_name(config.experiment)
    if experiment is None:
        return None
    for record in _of_config(config, dataset_digest, [experiment.experiment_id], "!="):
        process = record.tags.get("process")
        is_over = process == processes.this_process() or (process and processes.is_dead(process))
        if is_over and _checkpoints(record.run_id).is_dir():
            return record
    return None


def find_trained(config, dataset_digest):
    """Loads a finished training with this configuration and data, from any experiment.

    Args:
        config: `RunConfig`.
        dataset_digest: str, SHA-256 of the whole dataset.

    Returns:
        A `benchmarks.recipes.step.Finished`; None if there is none or its files are gone.
    """
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    for record in _of_config(config, dataset_digest, experiments):
        with tempfile.TemporaryDirectory() as folder:
            try:
                model = pretrained.load(str(download_preset(record, Path(folder))))
            except (mlflow.exceptions.MlflowException, pretrained.PresetError):
                continue
        epochs = _epochs(record)
        same_quality = float(record.params["quality"]) == config.quality
        seconds_to_quality = record.metrics.get("seconds_to_quality")
        return Finished(
            model=model,
            epochs=[epochs[step] for step in sorted(epochs)],
            seconds=record.metrics["train_seconds"],
            examples_per_second=record.metrics["examples_per_second"],
            seconds_to_quality=seconds_to_quality if same_quality else None,
            source=f"run {record.run_id}, commit {record.tags['git_commit']}",
        )
    return None


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


@contextlib.contextmanager
def run(config, requested, task, dataset_digest, killed=None):
    """Context manager that logs the run of a configuration.

    Args:
        config: the `RunConfig`, with its units resolved.
        requested: the `RunConfig` as the suite has it; its digest identifies the run.
        task: the `Task`.
        dataset_digest: str, SHA-256 of the whole dataset.
        killed: `Record` of the run to resume, or None for a new run.

    Yields:
        An `OpenRun`.
    """
    tags = {
        "suite": config.suite,
        "entry": config.entry,
        "task": config.task,
        "dataset": config.dataset_name,
        "dataset_digest": dataset_digest,
        "dataset_licence": task.licence,
        "architecture": config.architecture,
        "seed": str(config.seed),
        "metric": task.metric.name,
        "validation_metric": task.validation_metric.name,
        "kernel": "none",
        "config_digest": requested.digest,
        "config": requested.as_json(),
    }
    with open_run(config.experiment, config.title, tags, config.flat(), killed) as opened:
        opened.checkpoints.mkdir(parents=True, exist_ok=True)
        yield opened
    shutil.rmtree(opened.checkpoints, ignore_errors=True)


@contextlib.contextmanager
def open_run(experiment, title, tags, params, killed=None):
    """Context manager that logs a run, which ends as FINISHED, FAILED, or KILLED if interrupted.

    Args:
        experiment: str, the name of the experiment, which is created if it doesn't exist.
        title: str, the name of the run.
        tags: dict of str; the commit, the backend and the process are added.
        params: dict.
        killed: `Record` of the run to resume, or None for a new run.

    Yields:
        An `OpenRun`.
    """
    tags = {
        "mlflow.runColor": _color(tags.get("implementation") or tags["architecture"]),
        "git_commit": git_commit(),
        "backend": keras.backend.backend(),
        "process": processes.this_process(),
        **tags,
    }
    if killed is None:
        mlflow.start_run(experiment_id=_experiment(experiment), run_name=title, tags=tags)
        epochs = frozenset()
    else:
        mlflow.start_run(run_id=killed.run_id)
        mlflow.set_tags({**tags, "resumed": str(int(killed.tags.get("resumed", 0)) + 1)})
        epochs = frozenset(_epochs(killed))
    run_id = mlflow.active_run().info.run_id
    try:
        mlflow.log_params(params)
        yield OpenRun(run_id, _checkpoints(run_id), epochs)
    except (KeyboardInterrupt, SystemExit):
        mlflow.end_run("KILLED")
        raise
    except BaseException:
        mlflow.end_run("FAILED")
        raise
    mlflow.end_run("FINISHED")


def log_evaluation(metric, evaluation):
    """Logs the values, figures and texts of an `Evaluation` to the active run."""
    low, high = evaluation.interval
    values = {metric.name: evaluation.value, f"{metric.name}_low": low, f"{metric.name}_high": high}
    values |= evaluation.details
    mlflow.log_metrics({f"test/{name}": value for name, value in values.items()})
    mlflow.set_tag("metric_signature", evaluation.signature)
    log_figures(evaluation.figures)
    for name, text in evaluation.texts.items():
        mlflow.log_text(text, name)


def log_metrics(values):
    """Logs metrics of the active run that have no step, a dict of float."""
    mlflow.log_metrics(values)


def log_tag(name, value):
    """Sets a tag of the active run."""
    mlflow.set_tag(name, value)


def log_figures(figures):
    """Logs a dict of Matplotlib figures by name to the active run, as PNG."""
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"{name}.png", save_kwargs={"dpi": 110})


def log_model(model, example):
    """Logs a model to the active run, as a pyfunc that maps raw inputs to JSON-ready answers.

    Args:
        model: a task model of the zoo.
        example: one raw input, the input example.
    """
    schema = model.input_schema
    kind = DataType.string if schema.dtype == "string" else DataType.double
    for _ in range(schema.rank):
        kind = Array(kind)
    if isinstance(example, np.ndarray):
        example = example.astype(float).tolist()
    signature = ModelSignature(
        inputs=Schema([ColSpec(kind, schema.name)]), outputs=Schema([ColSpec(AnyType())])
    )
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder, "preset")
        model.save_to_preset(str(preset))
        left_out = shutil.ignore_patterns("presets", "dummy_data", "__pycache__", "*_test.py")
        shutil.copytree(ROOT / "zoo", Path(folder, "zoo"), ignore=left_out)
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).parent / "served_model.py"),
            artifacts={"preset": str(preset)},
            code_paths=[str(Path(folder, "zoo"))],
            signature=signature,
            pip_requirements=[f"{name}=={version(name)}" for name in SERVED_REQUIREMENTS],
            input_example=pd.DataFrame({schema.name: [example]}),
        )


def download_preset(record, folder):
    """Downloads the preset that a run logged into a folder; returns its `Path`."""
    uri = f"{record.model_uri}/artifacts/preset"
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))


def register_champion(experiment):
    """Registers the best model of an experiment under the alias `champion`, unless it already is.

    The best one is chosen by the metric on the validation split, then by the loss, among runs on
    the same data as the newest. The test split isn't used.

    Args:
        experiment: str, the name of an existing experiment.
    """
    found = mlflow.get_experiment_by_name(experiment)
    records = [
        record
        for record in search([found.experiment_id], "attributes.status = 'FINISHED'")
        if "best/val/loss" in record.metrics
    ]
    records = [r for r in records if r.tags["dataset_digest"] == records[0].tags["dataset_digest"]]
    if not records:
        return
    best = max(records, key=lambda record: record.selection_key)
    name = experiment.replace("/", ".")
    client = mlflow.MlflowClient()
    with contextlib.suppress(mlflow.exceptions.MlflowException):
        if client.get_model_version_by_alias(name, "champion").run_id == best.run_id:
            return
    with contextlib.redirect_stderr(io.StringIO()):  # MLflow reports success there
        registered = mlflow.register_model(best.model_uri, name)
    client.set_registered_model_alias(name, "champion", registered.version)


def describe(text):
    """Sets the description of the active run in the UI."""
    mlflow.set_tag(NOTE, text)


def git_commit():
    """The commit of this checkout, with `-dirty` if it has changes; `unknown` without git."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit.stdout.strip()


def search(experiment_ids, query):
    """The `Record` of each run that matches an MLflow filter string, newest first."""
    runs = mlflow.search_runs(
        experiment_ids,
        filter_string=query,
        run_view_type=ViewType.ACTIVE_ONLY,
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


def _end_dead_runs():
    """Marks RUNNING runs whose process died as KILLED."""
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    for record in search(experiments, "attributes.status = 'RUNNING'") if experiments else ():
        process = record.tags.get("process")
        if process and processes.is_dead(process):
            mlflow.MlflowClient().set_terminated(record.run_id, "KILLED")


def _checkpoints(run_id):
    """The folder for the checkpoints of a run, on this machine."""
    return LOCAL_STORE / "checkpoints" / run_id


def _epochs(record):
    """The metrics of each epoch: a dict from the epoch to a dict by name."""
    client = mlflow.MlflowClient()
    epochs = {}
    for name in record.metrics:
        if name.startswith(("train/", "val/")):
            for metric in client.get_metric_history(record.run_id, name):
                epochs.setdefault(metric.step, {})[name] = metric.value
    return epochs


def _of_config(config, dataset_digest, experiment_ids, finished="="):
    """The runs of a configuration and data, newest first: the finished ones, or with `"!="` the
    others."""
    return search(
        experiment_ids,
        f"attributes.status {finished} 'FINISHED' and tags.config_digest = '{config.digest}' "
        f"and tags.dataset_digest = '{dataset_digest}'",
    )


def _experiment(name):
    """The id of the experiment with this name, which is created if it doesn't exist."""
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is not None:
        return experiment.experiment_id
    return mlflow.create_experiment(
        name,
        artifact_location=(LOCAL_STORE / "artifacts").as_uri() if is_local() else None,
        tags={"mlflow.experimentKind": "custom_model_development"},
    )


def _local_uri():
    return f"sqlite:///{LOCAL_STORE / 'mlflow.db'}"


def _color(name):
    """The colour of an architecture or implementation in the UI, the same in all experiments."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    known = [BASELINE, *architectures.names(), *IMPLEMENTATIONS]
    palette = colormaps["tab20"].colors[::2] + colormaps["tab20"].colors[1::2]
    return to_hex(palette[(known.index(name) - 1) % len(palette)])
