"""Models in the store: logged with a run, loaded again, and registered as champions."""

import contextlib
import io
import json
import re
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types.schema import AnyType, ColSpec, Schema

from benchmarks.recipes.step import Finished
from benchmarks.tracking import descriptions, store
from zoo import pretrained

SERVED_REQUIREMENTS = ("keras", "keras-hub", "sentencepiece", "tensorflow")


def log_model(model, example):
    """Logs a model to the active run, as a pyfunc that maps raw inputs to JSON-ready answers.

    Args:
        model: a task model of the zoo.
        example: one raw input, the input example.
    """
    schema = model.input_schema
    if isinstance(example, np.ndarray):
        example = example.astype(float).tolist()
    # With another type, MLflow would turn nulls and numbers into strings, and reject sequences of
    # different lengths. The model checks its inputs itself.
    signature = ModelSignature(
        inputs=Schema([ColSpec(AnyType(), schema.name)]), outputs=Schema([ColSpec(AnyType())])
    )
    with tempfile.TemporaryDirectory() as folder:
        preset = Path(folder, "preset")
        model.save_to_preset(str(preset))
        _in_float32(preset)
        left_out = shutil.ignore_patterns("presets", "dummy_data", "__pycache__", "*_test.py")
        shutil.copytree(store.ROOT / "zoo", Path(folder, "zoo"), ignore=left_out)
        mlflow.pyfunc.log_model(
            name="model",
            python_model=str(Path(__file__).parent / "served_model.py"),
            artifacts={"preset": str(preset)},
            code_paths=[str(Path(folder, "zoo"))],
            signature=signature,
            metadata={"input": f"{schema.name}: {schema}"},
            pip_requirements=[f"{name}=={version(name)}" for name in SERVED_REQUIREMENTS],
            input_example=pd.DataFrame({schema.name: [example]}),
        )


def _in_float32(folder):
    """Gives the layers of a preset that have mixed precision the policy of float32, in place.

    Their weights are float32 already, and KerasHub can't load a model of another policy.
    """

    def changed(value):
        is_policy = value.get("class_name") == "DTypePolicy"
        if is_policy and value["config"]["name"].startswith("mixed_"):
            return {**value, "config": {"name": "float32"}}
        return value

    for path in folder.glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"), object_hook=changed)
        path.write_text(json.dumps(content, indent=4), encoding="utf-8")


def download_preset(record, folder):
    """Downloads the preset that a run logged into a folder; returns its `Path`."""
    return _download_preset(record.model_uri, folder)


def load_champion(experiment):
    """Loads the registered champion of an experiment; None if there is none.

    Args:
        experiment: str, its name.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            preset = _download_preset(f"models:/{registered_name(experiment)}@champion", folder)
        except mlflow.exceptions.MlflowException:
            return None
        return pretrained.load(preset, verify=False)


def _download_preset(model_uri, folder):
    uri = f"{model_uri}/artifacts/preset"
    return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))


def find_trained(config, dataset_digest):
    """Loads a finished training with this configuration and data, from any experiment.

    Args:
        config: `RunConfig`.
        dataset_digest: str, SHA-256 of the whole dataset.

    Returns:
        A `benchmarks.recipes.step.Finished`; None if there is none or its files are gone.
    """
    for record in store.of_config(config, dataset_digest):
        with tempfile.TemporaryDirectory() as folder:
            try:
                model = pretrained.load(download_preset(record, Path(folder)), verify=False)
            except (mlflow.exceptions.MlflowException, pretrained.PresetError):
                continue
        epochs = store.epochs(record)
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


def registered_name(experiment):
    """The name of an experiment's registered model; MLflow allows neither slashes nor colons."""
    return re.sub(r"[^\w.-]", "-", experiment.replace("/", "."))


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
        for record in store.search([found.experiment_id], "attributes.status = 'FINISHED'")
        if "best/val/loss" in record.metrics
    ]
    records = [r for r in records if r.tags["dataset_digest"] == records[0].tags["dataset_digest"]]
    if not records:
        return
    best = max(records, key=lambda record: record.selection_key)
    name = registered_name(experiment)
    client = mlflow.MlflowClient()
    champion = None
    with contextlib.suppress(mlflow.exceptions.MlflowException):
        champion = client.get_model_version_by_alias(name, "champion")
    if champion is None or champion.run_id != best.run_id:
        with contextlib.redirect_stderr(io.StringIO()):  # MLflow reports success there
            champion = mlflow.register_model(best.model_uri, name)
        client.set_registered_model_alias(name, "champion", champion.version)
    descriptions.describe_champion(name, champion.version, best)
