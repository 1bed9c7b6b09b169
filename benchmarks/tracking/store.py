"""The store of runs: what is logged to MLflow, and read back from it."""

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
NEEDED = ("keras", "keras-hub", "sentencepiece", "tensorflow")  # by a served model
UNFINISHED = ("RUNNING", "KILLED", "FAILED")


@dataclasses.dataclass(frozen=True)
class Record:
    """A finished run as MLflow has it.

    Attributes:
        run_id, experiment_id: MLflow's.
        tags, params, metrics: dicts; metrics hold the last value of each.
    """

    run_id: str
    experiment_id: str
    tags: dict
    params: dict
    metrics: dict

    @property
    def description(self):
        return self.tags.get(NOTE, "")

    @property
    def model_uri(self):
        return f"runs:/{self.run_id}/model"

    @property
    def selection_key(self):
        """What the best of several seeds or models is chosen by, higher is better: the metric on
        the validation split, then the loss."""
        name = self.tags["validation_metric"]
        loss = self.metrics["best/val/loss"]
        return metrics.get(name).rank(self.metrics[f"best/val/{name}"]), -loss


@dataclasses.dataclass(frozen=True)
class OpenRun:
    """A run that is being logged.

    Attributes:
        run_id: MLflow's.
        checkpoints: `Path` of the folder for its checkpoints, which is deleted when it finishes.
        logged_epochs: the epochs that it has already, where it goes on after a kill.
    """

    run_id: str
    checkpoints: Path
    logged_epochs: frozenset = frozenset()

    def log_epoch(self, values, epoch):
        """Logs the metrics of an epoch; `epoch` counts from 1 and is the step."""
        if epoch not in self.logged_epochs:
            mlflow.log_metrics(values, step=epoch)


def connect():
    """Points MLflow at `MLFLOW_TRACKING_URI`, or at a SQLite store in this checkout, and marks runs
    whose process died as KILLED."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri())
    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(5)
    if is_local():
        LOCAL_STORE.mkdir(exist_ok=True)
        # The empty experiment that a new store comes with would only be in the way.
        with contextlib.suppress(mlflow.exceptions.MlflowException):
            mlflow.delete_experiment("0")
    _end_dead_runs()


def tracking_uri():
    """Where runs are logged."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def is_local():
    """Whether runs are logged to the store in this checkout."""
    return mlflow.get_tracking_uri() == _local_uri()


def find_finished(config, dataset_digest):
    """The newest finished run of the same configuration and data, or None."""
    experiment = mlflow.get_experiment_by_name(config.experiment)
    if experiment is None:
        return None
    found = _of_config(config, dataset_digest, [experiment.experiment_id], ("FINISHED",))
    return found[0] if found else None


def find_killed(config, dataset_digest):
    """The newest run of the same configuration and data that was killed or failed on this machine,
    and can go on from its checkpoints; or None."""
    experiment = mlflow.get_experiment_by_name(config.experiment)
    if experiment is None:
        return None
    for record in _of_config(config, dataset_digest, [experiment.experiment_id], UNFINISHED):
        process = record.tags.get("process")
        is_over = process == processes.this_process() or (process and processes.is_dead(process))
        if is_over and _checkpoints(record.run_id).is_dir():
            return record
    return None


def find_trained(config, dataset_digest):
    """A finished training of the same configuration and data, of whatever entry of a suite; or
    None, also where its files are gone.

    Returns:
        A `benchmarks.recipes.step.Finished`.
    """
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    for record in _of_config(config, dataset_digest, experiments, ("FINISHED",)):
        with tempfile.TemporaryDirectory() as folder:
            try:
                model = pretrained.load(str(download_preset(record, Path(folder))))
            except (mlflow.exceptions.MlflowException, pretrained.PresetError):
                continue
        epochs = _epochs(record)
        same_quality = float(record.params["quality"]) == config.quality
        return Finished(
            model,
            [epochs[step] for step in sorted(epochs)],
            record.metrics["train_seconds"],
            record.metrics["examples_per_second"],
            record.metrics.get("seconds_to_quality") if same_quality else None,
            f"run {record.run_id}, commit {record.tags['git_commit']}",
        )
    return None


def finished(configs):
    """The newest finished run of each configuration, on the data of the newest of all.

    Args:
        configs: list of `RunConfig`, of any seeds.

    Returns:
        A dict from an experiment's name, such as `sentiment/rotten_tomatoes`, to a list of
        `Record`; experiments without any are left out.
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
        data = [record.tags["dataset_digest"] for record in newest.values()]
        of_one_data = [r for r in newest.values() if r.tags["dataset_digest"] == data[0]]
        if of_one_data:
            found[name] = of_one_data
    return found


def latest(suite):
    """The newest finished run of each architecture, implementation and preset of a suite that
    trains nothing.

    Returns:
        A dict from an experiment's name, such as `layers/lstm`, to a list of `Record`.
    """
    latest = {}
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
            latest[experiment.name] = list(records.values())
    return latest


@contextlib.contextmanager
def run(config, asked_for, task, dataset_digest, killed=None):
    """Logs the run of a configuration, from start to end.

    Args:
        config: the `RunConfig`, its units resolved.
        asked_for: the `RunConfig` as the suite has it, by whose digest the run is found.
        task: the `Task`.
        dataset_digest: SHA-256 of the whole data.
        killed: `Record` of the run that is gone on with, or None for a new run.

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
        "config_digest": asked_for.digest,
        "config": asked_for.as_json(),
    }
    with open_run(config.experiment, config.title, tags, config.flat(), killed) as opened:
        opened.checkpoints.mkdir(parents=True, exist_ok=True)
        yield opened
    shutil.rmtree(opened.checkpoints, ignore_errors=True)


@contextlib.contextmanager
def open_run(experiment, title, tags, params, killed=None):
    """Logs a run from start to end: FINISHED, FAILED, or KILLED when interrupted.

    Args:
        experiment: str, the name of the experiment, which is made if there is none.
        title: str, the name of the run.
        tags: dict of str; the commit, the backend and the process are added.
        params: dict.
        killed: `Record` of the run that is gone on with, or None for a new run.

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
    """Logs an `Evaluation` on the test split: values, figures and texts."""
    low, high = evaluation.interval
    values = {metric.name: evaluation.value, f"{metric.name}_low": low, f"{metric.name}_high": high}
    values |= evaluation.details
    mlflow.log_metrics({f"test/{name}": value for name, value in values.items()})
    mlflow.set_tag("metric_signature", evaluation.signature)
    log_figures(evaluation.figures)
    for name, text in evaluation.texts.items():
        mlflow.log_text(text, name)


def log_metrics(values):
    """Logs values that a run has once."""
    mlflow.log_metrics(values)


def log_tag(name, value):
    """Sets one more tag of the running run."""
    mlflow.set_tag(name, value)


def log_figures(figures):
    """Logs Matplotlib figures by name, as PNG."""
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"{name}.png", save_kwargs={"dpi": 110})


def log_model(model, example):
    """Logs the trained model as a pyfunc that takes raw input and gives JSON-ready answers.

    Args:
        model: a task model of the zoo.
        example: one raw input.
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
            pip_requirements=[f"{name}=={version(name)}" for name in NEEDED],
            input_example=pd.DataFrame({schema.name: [example]}),
        )


def download_preset(record, folder):
    """The preset that a run logged, copied into `folder`; returns its path."""
    uri = f"{record.model_uri}/artifacts/preset"
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))


def register_champion(experiment):
    """Registers the best trained model of an experiment, with the alias `champion`; does
    nothing where it is registered already.

    The best is chosen by the metric on the validation split of the data that the newest run has,
    and by the loss among equals: the test split decides nothing."""
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
    with contextlib.redirect_stderr(io.StringIO()):  # where MLflow reports success
        version = mlflow.register_model(best.model_uri, name)
    client.set_registered_model_alias(name, "champion", version.version)


def describe(text):
    """Sets what the UI shows as the running run's description."""
    mlflow.set_tag(NOTE, text)


def git_commit():
    """The commit of this checkout, `-dirty` with changes; `unknown` outside of git."""
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
    """The `Record` of each run that a query in MLflow's language finds, the newest first."""
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
    """The `Record` of every run, of whatever status, the newest first."""
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    return search(experiments, "") if experiments else []


def update_run(run_id, tags, params=None, remove=()):
    """Sets tags of a run that isn't running, adds params, and removes tags by name."""
    client = mlflow.MlflowClient()
    for name, value in (params or {}).items():
        client.log_param(run_id, name, value)
    for name, value in tags.items():
        client.set_tag(run_id, name, value)
    for name in remove:
        client.delete_tag(run_id, name)


def _end_dead_runs():
    """Marks runs as KILLED that a process which is dead left as RUNNING."""
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    for record in search(experiments, "attributes.status = 'RUNNING'") if experiments else ():
        process = record.tags.get("process")
        if process and processes.is_dead(process):
            mlflow.MlflowClient().set_terminated(record.run_id, "KILLED")


def _checkpoints(run_id):
    """The folder for checkpoints of a run, on this machine."""
    return LOCAL_STORE / "checkpoints" / run_id


def _epochs(record):
    """The metrics of each epoch, a dict from the step to a dict."""
    client = mlflow.MlflowClient()
    epochs = {}
    for name in record.metrics:
        if name.startswith(("train/", "val/")):
            for metric in client.get_metric_history(record.run_id, name):
                epochs.setdefault(metric.step, {})[name] = metric.value
    return epochs


def _of_config(config, dataset_digest, experiment_ids, statuses):
    """The runs of a configuration on this data with one of these statuses, the newest first."""
    return [
        record
        for status in statuses
        for record in search(
            experiment_ids,
            f"attributes.status = '{status}' and tags.config_digest = '{config.digest}' "
            f"and tags.dataset_digest = '{dataset_digest}'",
        )
    ]


def _experiment(name):
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
    """The colour of an architecture in the UI, the same in every experiment."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    known = [BASELINE, *architectures.names(), *IMPLEMENTATIONS]
    palette = colormaps["tab20"].colors[::2] + colormaps["tab20"].colors[1::2]
    return to_hex(palette[(known.index(name) - 1) % len(palette)])
