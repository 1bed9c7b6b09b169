"""MLflow: where runs are logged and read back.

Nothing else in the project knows MLflow, but `served_model.py`, which MLflow runs on its own.
"""

import contextlib
import dataclasses
import io
import json
import logging
import os
import shutil
import subprocess
import sys
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

from benchmarks.config import BASELINE
from benchmarks.layers.contenders import CONTENDERS
from zoo import pretrained
from zoo.layers import architectures

ROOT = Path(__file__).parent.parent
LOCAL_STORE = ROOT / "mlruns"
VIEW = "learning-curves"
NOTE = "mlflow.note.content"
NEEDED = ("keras", "keras-hub", "sentencepiece", "tensorflow")  # by a served model


@dataclasses.dataclass(frozen=True)
class Record:
    """A finished run as MLflow tells it.

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


def connect():
    """Points MLflow at `MLFLOW_TRACKING_URI`, or at a SQLite store in this checkout."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri())
    mlflow.enable_system_metrics_logging()
    mlflow.set_system_metrics_sampling_interval(5)
    if _is_local():
        LOCAL_STORE.mkdir(exist_ok=True)
        # The empty experiment that a new store comes with would only be in the way.
        with contextlib.suppress(mlflow.exceptions.MlflowException):
            mlflow.delete_experiment("0")


def tracking_uri():
    """Where runs are logged."""
    return os.environ.get("MLFLOW_TRACKING_URI") or _local_uri()


def find_finished(config, dataset_digest):
    """The newest finished run of the same configuration and data, or None."""
    experiment = mlflow.get_experiment_by_name(config.experiment)
    if experiment is None:
        return None
    found = _finished(config, dataset_digest, [experiment.experiment_id])
    return found[0] if found else None


def find_trained(config, dataset_digest):
    """A finished run of the same configuration and data, of whatever entry of a suite, with what it
    left; or None, also where its files are gone.

    Returns:
        The `Record`, a list of the metrics of each epoch, and the model.
    """
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    client = mlflow.MlflowClient()
    for record in _finished(config, dataset_digest, experiments):
        with tempfile.TemporaryDirectory() as folder:
            try:
                model = pretrained.load(str(download_preset(record, Path(folder))))
            except (mlflow.exceptions.MlflowException, pretrained.PresetError):
                continue
        epochs = {}
        for name in record.metrics:
            if name.startswith(("train/", "val/")):
                for metric in client.get_metric_history(record.run_id, name):
                    epochs.setdefault(metric.step, {})[name] = metric.value
        return record, [epochs[step] for step in sorted(epochs)], model
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
        for record in _search([experiment.experiment_id], "attributes.status = 'FINISHED'"):
            if record.tags.get("config_digest") in wanted:
                newest.setdefault(record.tags["config_digest"], record)
        data = [record.tags["dataset_digest"] for record in newest.values()]
        of_one_data = [r for r in newest.values() if r.tags["dataset_digest"] == data[0]]
        if of_one_data:
            found[name] = of_one_data
    return found


def latest(suite):
    """The newest finished run of each architecture, contender and preset of a suite that trains
    nothing.

    Returns:
        A dict from an experiment's name, such as `layers/lstm`, to a list of `Record`.
    """
    latest = {}
    for experiment in mlflow.search_experiments():
        records = {}
        for record in _search(
            [experiment.experiment_id],
            f"attributes.status = 'FINISHED' and tags.suite = '{suite}'",
        ):
            key = tuple(record.tags.get(tag) for tag in ("architecture", "contender", "preset"))
            records.setdefault(key, record)
        if records:
            latest[experiment.name] = list(records.values())
    return latest


@contextlib.contextmanager
def run(config, task, dataset_digest, config_digest):
    """Logs the run of a configuration, from start to end.

    Args:
        config: a `RunConfig`.
        task: the `Task`.
        dataset_digest: SHA-256 of the whole data.
        config_digest: what `finished` knows the configuration by.
    """
    tags = {
        "suite": config.suite,
        "task": config.task,
        "dataset": config.dataset_name,
        "dataset_digest": dataset_digest,
        "dataset_licence": task.licence,
        "architecture": config.architecture,
        "seed": str(config.seed),
        "metric": task.metric,
        "kernel": "none",
        "config_digest": config_digest,
    }
    with open_run(config.experiment, config.title, tags, config.flat()):
        yield


@contextlib.contextmanager
def open_run(experiment, title, tags, params):
    """Logs a run from start to end: FINISHED, FAILED, or KILLED when interrupted.

    Args:
        experiment: str, the name of the experiment, which is made if there is none.
        title: str, the name of the run.
        tags: dict of str; the commit and the backend are added.
        params: dict.
    """
    tags = {
        "mlflow.runColor": _color(tags.get("contender") or tags["architecture"]),
        "git_commit": git_commit(),
        "backend": keras.backend.backend(),
        **tags,
    }
    mlflow.start_run(experiment_id=_experiment(experiment), run_name=title, tags=tags)
    try:
        mlflow.log_params(params)
        yield
    except KeyboardInterrupt:
        mlflow.end_run("KILLED")
        raise
    except BaseException:
        mlflow.end_run("FAILED")
        raise
    mlflow.end_run("FINISHED")


def log_epoch(metrics, epoch):
    """Metrics of one epoch; `epoch` counts from 1 and is the step."""
    mlflow.log_metrics(metrics, step=epoch)


def log_evaluation(metric, evaluation):
    """The look at the test split: values, figures and texts."""
    low, high = evaluation.interval
    values = {metric: evaluation.value, f"{metric}_low": low, f"{metric}_high": high}
    values |= evaluation.details
    mlflow.log_metrics({f"test/{name}": value for name, value in values.items()})
    mlflow.set_tag("metric_signature", evaluation.signature)
    log_figures(evaluation.figures)
    for name, text in evaluation.texts.items():
        mlflow.log_text(text, name)


def log_metrics(values):
    """Values that a run has once."""
    mlflow.log_metrics(values)


def log_tag(name, value):
    """One more tag of the running run."""
    mlflow.set_tag(name, value)


def log_figures(figures):
    """Matplotlib figures by name, as PNG."""
    for name, figure in figures.items():
        mlflow.log_figure(figure, f"{name}.png", save_kwargs={"dpi": 110})


def log_model(model, task):
    """The trained model as a pyfunc that takes raw input and answers with labels or text."""
    example = task.example()
    kind = DataType.string
    if isinstance(example, np.ndarray):
        kind = DataType.double
        for _ in example.shape:
            kind = Array(kind)
        example = example.astype(float).tolist()
    signature = ModelSignature(
        inputs=Schema([ColSpec(kind, task.input_name)]),
        outputs=Schema([ColSpec(AnyType())]),
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
            input_example=pd.DataFrame({task.input_name: [example]}),
        )


def download_preset(record, folder):
    """The preset that a run logged, copied into `folder`; returns its path."""
    uri = f"{record.model_uri}/artifacts/preset"
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))


def register_champion(experiment):
    """Registers the best trained model of an experiment, with the alias `champion`; does
    nothing where it is that already.

    The best is the one of the highest accuracy on the validation split of the data that the newest
    run has, and of the least loss among equals: the test split decides nothing."""
    records = [
        record
        for record in _search(
            [mlflow.get_experiment_by_name(experiment).experiment_id],
            "attributes.status = 'FINISHED'",
        )
        if "best/val/loss" in record.metrics
    ]
    records = [r for r in records if r.tags["dataset_digest"] == records[0].tags["dataset_digest"]]
    if not records:
        return
    best = max(records, key=quality)
    name = experiment.replace("/", ".")
    client = mlflow.MlflowClient()
    with contextlib.suppress(mlflow.exceptions.MlflowException):
        if client.get_model_version_by_alias(name, "champion").run_id == best.run_id:
            return
    with contextlib.redirect_stderr(io.StringIO()):  # MLflow tells of it there
        version = mlflow.register_model(best.model_uri, name)
    client.set_registered_model_alias(name, "champion", version.version)


def quality(record):
    """What trained models are chosen by: accuracy on the validation split, then less loss."""
    return record.metrics["best/val/accuracy"], -record.metrics["best/val/loss"]


def arrange_charts(experiment):
    """Saves a view of the experiment in which learning curves come first, for `ui_url`.

    MLflow sorts charts by name otherwise, `best/*` ahead. A view is a tag of the experiment; what
    it doesn't name, MLflow adds.
    """
    sections = {
        name: {"uuid": name, "name": name, "display": is_open, "isReordered": True}
        for name, is_open in (
            ("val", True),
            ("train", True),
            ("test", True),
            ("Model metrics", True),
            ("best", False),
            ("System metrics", False),
        )
    }
    charts = [
        {
            "type": "LINE",
            "uuid": metric,
            "metricKey": metric,
            "metricSectionId": metric.split("/")[0],
            "isGenerated": True,
            "deleted": False,
            "lineSmoothness": 0,
            "scaleType": "linear",
            "xAxisKey": "step",
            "xAxisScaleType": "linear",
            "yAxisKey": "metric",
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for metric in ("val/accuracy", "val/loss", "train/accuracy", "train/loss")
    ]
    view = {
        "compareRunCharts": charts,
        "compareRunSections": list(sections.values()),
        "isAccordionReordered": True,
    }
    mlflow.MlflowClient().set_experiment_tag(
        mlflow.get_experiment_by_name(experiment).experiment_id,
        f"mlflow.sharedViewState.{VIEW}",
        json.dumps(view),
    )


def describe(text):
    """What the UI shows as the running run's description."""
    mlflow.set_tag(NOTE, text)


def serve(port):
    """Serves the UI on the local store until it is interrupted; returns the exit status."""
    server = [sys.executable, "-m", "mlflow", "ui", "--port", str(port)]
    server += ["--backend-store-uri", tracking_uri()]
    return subprocess.run(server, check=False).returncode


def ui_url(port):
    """The page of the UI that shows the runs of the newest experiment side by side."""
    server = tracking_uri() if is_remote() else f"http://127.0.0.1:{port}"
    base = f"{server}/#/experiments"
    ids = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    newest = mlflow.search_runs(
        ids, order_by=["attributes.start_time DESC"], max_results=1, output_format="list"
    )
    if not newest:
        return base
    page = f"{base}/{newest[0].info.experiment_id}/runs?compareRunsMode=CHART"
    experiment = mlflow.get_experiment(newest[0].info.experiment_id)
    arranged = f"mlflow.sharedViewState.{VIEW}" in experiment.tags
    return f"{page}&viewStateShareKey={VIEW}" if arranged else page


def is_remote():
    """Whether runs are logged to a server, which has a UI of its own."""
    return tracking_uri().startswith(("http:", "https:"))


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


def _experiment(name):
    experiment = mlflow.get_experiment_by_name(name)
    if experiment is not None:
        return experiment.experiment_id
    return mlflow.create_experiment(
        name,
        artifact_location=(LOCAL_STORE / "artifacts").as_uri() if _is_local() else None,
        tags={"mlflow.experimentKind": "custom_model_development"},
    )


def _finished(config, dataset_digest, experiment_ids):
    """The finished runs of a configuration on this data, the newest first."""
    return _search(
        experiment_ids,
        f"attributes.status = 'FINISHED' and tags.config_digest = '{config.digest}' "
        f"and tags.dataset_digest = '{dataset_digest}'",
    )


def _search(experiment_ids, query):
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


def _local_uri():
    return f"sqlite:///{LOCAL_STORE / 'mlflow.db'}"


def _is_local():
    return mlflow.get_tracking_uri() == _local_uri()


def _color(name):
    """The colour of an architecture in the UI, the same in every experiment."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    known = [BASELINE, *architectures.names(), *CONTENDERS]
    palette = colormaps["tab20"].colors[::2] + colormaps["tab20"].colors[1::2]
    return to_hex(palette[(known.index(name) - 1) % len(palette)])
