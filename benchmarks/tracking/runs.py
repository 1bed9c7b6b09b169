"""Runs that are being logged: opened, resumed, written to and ended."""

import contextlib
import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import filelock
import keras
import mlflow

from benchmarks.config import BASELINE, is_baseline
from benchmarks.layers.implementations import IMPLEMENTATIONS
from benchmarks.tracking import inputs, store
from zoo.layers import architectures


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


@contextlib.contextmanager
def run(config, requested, task, dataset_digest, killed=None, more_tags=None):
    """Context manager that logs the run of a configuration.

    Args:
        config: the `RunConfig`, with its units resolved.
        requested: the `RunConfig` as the suite has it; its digest identifies the run.
        task: the `Task`.
        dataset_digest: str, SHA-256 of the whole dataset.
        killed: `Record` of the run to resume, or None for a new run.
        more_tags: dict of str, or None.

    Yields:
        An `OpenRun`.
    """
    tags = {
        "suite": config.suite,
        "entry": config.entry,
        "task": config.task,
        "dataset": config.dataset_name,
        "dataset_digest": dataset_digest,
        "dataset_licence": task.data.licence,
        "dataset_description": task.data.description,
        "architecture": config.architecture,
        "seed": str(config.seed),
        "metric": task.metric.name,
        "validation_metric": task.validation_metric.name,
        "kernel": "none",
        "config_digest": requested.digest,
        "config": requested.as_json(),
        **(more_tags or {}),
    }
    with open_run(config.experiment, config.title, tags, config.flat(), killed) as opened:
        inputs.log(config, task, dataset_digest)
        yield opened
    for record in store.unfinished(requested, dataset_digest):  # which no run will resume now
        shutil.rmtree(store.checkpoints(record.run_id), ignore_errors=True)


@contextlib.contextmanager
def open_run(experiment, title, tags, params, killed=None):
    """Context manager that logs a run, which ends as FINISHED, FAILED, or KILLED if interrupted.

    Args:
        experiment: str, the name of the experiment, which is created if it doesn't exist.
        title: str, the name of the run.
        tags: dict of str; the commit, the backend and the number of threads are added.
        params: dict.
        killed: `Record` of the run to resume, or None for a new run. If another process has resumed
            it meanwhile, this is a new run.

    Yields:
        An `OpenRun`.
    """
    tags = {
        "mlflow.runColor": color(tags.get("implementation") or tags.get("architecture", BASELINE)),
        "git_commit": git_commit(),
        "backend": keras.backend.backend(),
        "threads": str(_threads()),
        **tags,
    }
    with contextlib.ExitStack() as held:
        if killed and not _hold(held, killed.run_id):
            killed = None
        if killed:
            tags["resumed"] = str(int(killed.tags.get("resumed", 0)) + 1)
            tags["git_commit"] = killed.tags["git_commit"]
            mlflow.start_run(run_id=killed.run_id, nested=True)
            mlflow.set_tags({**tags, "resumed_commit": git_commit()})
            params = {name: v for name, v in params.items() if name not in killed.params}
            logged = frozenset(store.epochs(killed))
        else:
            mlflow.start_run(
                experiment_id=experiment_id(experiment), run_name=title, tags=tags, nested=True
            )
            logged = frozenset()
        run_id = mlflow.active_run().info.run_id
        if not killed:
            store.checkpoints(run_id).mkdir(parents=True)
            held.enter_context(store.lock(run_id))
        try:
            mlflow.log_params(params)
            yield OpenRun(run_id, store.checkpoints(run_id), logged)
        except BaseException as error:
            was_killed = isinstance(error, KeyboardInterrupt | SystemExit)
            with contextlib.suppress(mlflow.exceptions.MlflowException, OSError):
                mlflow.end_run("KILLED" if was_killed else "FAILED")
            raise
        mlflow.end_run("FINISHED")
        shutil.rmtree(store.checkpoints(run_id), ignore_errors=True)


def log_evaluation(metric, evaluation):
    """Logs the values, figures, texts and warnings of an `Evaluation` to the active run."""
    values = {metric.name: evaluation.value, **evaluation.details}
    if evaluation.interval is not None:
        values[f"{metric.name}_low"], values[f"{metric.name}_high"] = evaluation.interval
    mlflow.log_metrics({f"test/{name}": value for name, value in values.items()})
    mlflow.set_tag("metric_signature", evaluation.signature)
    if evaluation.warnings:
        mlflow.set_tag("warnings", " ".join(evaluation.warnings))
    if evaluation.curves:
        mlflow.set_tag(store.CURVES, ", ".join(evaluation.curves))
    for name, curve in evaluation.curves.items():
        for step, value in curve.items():
            mlflow.log_metric(name, value, step=step)
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


def describe(text):
    """Sets the description of the active run in the UI."""
    mlflow.set_tag(store.NOTE, text)


def git_commit():
    """The commit of this checkout, with `-dirty` if it has changes; `unknown` without git."""
    git = ["git", "-C", str(store.ROOT)]
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


def _hold(held, run_id):
    """Takes the lock of a run until `held` is closed; returns whether it was free."""
    try:
        held.enter_context(store.lock(run_id).acquire(timeout=0))
    except filelock.Timeout:
        return False
    return True


def _threads():
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def experiment_id(name):
    """The id of the experiment with this name, which is created if it doesn't exist."""
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is not None:
        return experiment.experiment_id
    try:
        return mlflow.create_experiment(
            name,
            artifact_location=(
                (store.LOCAL_STORE / "artifacts").as_uri() if store.is_local() else None
            ),
            tags={"mlflow.experimentKind": "custom_model_development"},
        )
    except mlflow.exceptions.MlflowException:
        experiment = mlflow.get_experiment_by_name(name)  # another process has made it meanwhile
        if experiment is None:
            raise
        return experiment.experiment_id


def color(name):
    """The colour of an architecture or implementation in the UI, the same in all experiments."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    if is_baseline(name):
        return to_hex("0.6")
    known = [*architectures.names(), *IMPLEMENTATIONS]
    palette = colormaps["tab20"].colors[::2] + colormaps["tab20"].colors[1::2]
    return to_hex(palette[known.index(name) % len(palette)])
