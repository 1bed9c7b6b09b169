"""Presets: exports them from finished runs, and measures them against their cards."""

import dataclasses
import fnmatch
import json
import math
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from benchmarks import config as suites
from benchmarks import metrics
from benchmarks.atomic import replace_folder, replace_text
from benchmarks.config import SPLITS, ConfigError, is_baseline
from benchmarks.data import task_of
from benchmarks.measure import kernels_of, latency_ms
from benchmarks.tracking import models, runs, store
from zoo import pretrained
from zoo.datasets.errors import DatasetError
from zoo.datasets.wheels import WheelError
from zoo.layers import architectures


def export(suite, console, out=None):
    """Writes a preset for each dataset and architecture with finished runs of a suite.

    With several seeds, the best on the validation split is used. An existing preset is replaced
    once the new one is complete. Cross-validation runs are skipped, since none of them is trained
    on all folds. For a suite that measures presets, the values on further data
    are written on their cards.

    Args:
        suite: str, name of a suite, or path of a YAML file.
        console: `rich.console.Console` for messages.
        out: str or None, the folder to write them to; by default `zoo/presets`, which is only for
            the suites of this project.

    Returns:
        The paths of the presets, a list of `Path`.

    Raises:
        ConfigError: if an existing preset of that name is for another dataset, the data has changed
            since the run, or `out` is missing for a suite of the user's own. Presets written so far
            are kept.
    """
    if out is None and suite not in suites.suites():
        raise ConfigError(
            f"Say where to write the models of {suite}, such as: make presets "
            f"SUITE={suite} OUT=models"
        )
    if suites.kind(suite) == "presets":
        return _write_elsewhere(suites.load_presets(suite), console)
    folder = pretrained.PRESETS if out is None else Path(out).expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    licence = "Apache-2.0" if out is None else "not stated"
    paths = []
    configs = [config for config in suites.every_seed(suite) if not config.splits.folds]
    of_digest = {config.digest: config for config in configs}
    for records in store.finished(configs).values():
        by_architecture = {}
        for record in records:
            if not is_baseline(record.tags["architecture"]):
                by_architecture.setdefault(record.tags["architecture"], []).append(record)
        for records in by_architecture.values():
            best = max(records, key=lambda record: record.selection_key)
            config = of_digest[best.tags["config_digest"]]
            paths.append(_write(best, records, suite, config, folder, licence))
            console.print(f"Written: {paths[-1]}", soft_wrap=True)
    return paths


def _write(best, records, suite, config, presets, licence):
    tags = best.tags
    metric = tags["metric"]
    name = f"{config.preset}_{config.architecture}"
    target = presets / name
    if target.exists() and (dataset := pretrained.card(target).dataset) != tags["dataset"]:
        raise ConfigError(
            f"The preset {name!r} already exists for the dataset {dataset}. "
            f"Choose another name for {tags['dataset']} with the key `preset` of the suite's task."
        )
    task, digest = task_of(config)
    if digest != tags["dataset_digest"]:
        raise ConfigError(
            f"{config.dataset} has changed since the run of {config.architecture}. Run make bench "
            "first."
        )
    with tempfile.TemporaryDirectory(dir=presets) as temporary:
        folder = models.download_preset(best, Path(temporary))
        for path in folder.glob("*.weights.h5"):
            halve(path)
        # The stored weights are evaluated, so the card describes the files.
        model = pretrained.load(str(folder), verify=False)
        evaluation = task.evaluate(model, config)
        card = pretrained.Card(
            format=pretrained.FORMAT,
            preset=name,
            suite=suite,
            entry=config.entry,
            task=tags["task"],
            architecture=tags["architecture"],
            dataset=tags["dataset"],
            dataset_digest=tags["dataset_digest"],
            dataset_licence=tags["dataset_licence"],
            metric=metric,
            value=evaluation.value,
            interval=evaluation.interval,
            signature=evaluation.signature,
            seed=int(tags["seed"]),
            seeds=tuple(record.metrics[f"test/{metric}"] for record in records),
            parameters=model.count_params(),
            train_seconds=best.metrics["train_seconds"],
            command=(
                f"make bench SUITE={suite} TASK={config.entry} "
                f"ARCH={tags['architecture']} SEEDS={len(records)}"
            ),
            git_commit=tags["git_commit"],
            paper=architectures.get(tags["architecture"]).paper,
            licence=licence,
            bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            sha256=pretrained.digests(folder),
            details={k: float(v) for k, v in evaluation.details.items() if math.isfinite(v)},
        )
        _write_card(card, folder)
        replace_folder(target, folder)
    return target


def _write_card(card, folder):
    text = json.dumps(card.__dict__, indent=2, ensure_ascii=False)
    replace_text(folder / pretrained.CARD, text + "\n")


def _write_elsewhere(config, console):
    """Writes what presets reach on further data on their cards; returns their paths."""
    paths = []
    for name in pretrained.list_presets(config.presets):
        card = pretrained.card(name)
        datasets = [one for one, like in config.also.items() if fnmatch.fnmatchcase(name, like)]
        if datasets:
            _, trained, _ = _load(card.suite, card.entry, card.architecture)
            model = pretrained.load(name)
            values = {one: _elsewhere(one, trained, model).value for one in datasets}
            paths.append(pretrained.PRESETS / name)
            _write_card(dataclasses.replace(card, elsewhere=values), paths[-1])
            console.print(f"Written: {paths[-1]}", soft_wrap=True)
    return paths


def _load(suite, entry, architecture):
    """The `Task`, `RunConfig` and data digest of an architecture in an entry of a suite."""
    (config,) = suites.load(suite, tasks=[entry], chosen=[architecture], seeds=1)
    task, digest = task_of(config)
    return task, config, digest


def _elsewhere(dataset, config, model):
    """The `Evaluation` of a model on the split `test` of another dataset of its task."""
    splits = config.splits.model_copy(update=dict.fromkeys(SPLITS, "test"))
    task, _ = task_of(config.model_copy(update={"dataset": dataset, "splits": splits}))
    return task.evaluate(model, config)


def halve(path):
    """Converts the float32 weights of an HDF5 file to float16, in place.

    Keras converts them back when it loads them.

    Args:
        path: `Path` of the file.
    """

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype == np.float32:
            items.append(name)

    items = []
    temporary = path.with_name(path.name + ".half")
    with h5py.File(path) as file, h5py.File(temporary, "w") as half:
        file.visititems(visit)
        for name in file:
            file.copy(name, half)
        half.attrs.update(file.attrs)
        for name in items:
            values = half[name][()].astype(np.float16)
            del half[name]
            half[name] = values
    # HDF5 keeps the space of deleted data; copying frees it.
    with h5py.File(temporary) as half, h5py.File(path, "w") as file:
        for name in half:
            half.copy(name, file)
        file.attrs.update(half.attrs)
    temporary.unlink()


def measure(config, console):
    """Measures the pretrained models on the test split of their data.

    Args:
        config: a `benchmarks.config.PresetsConfig`.
        console: `rich.console.Console` for messages.

    Returns:
        Whether all match their cards, a bool.
    """
    all_match = True
    for name in pretrained.list_presets(config.presets):
        card = pretrained.card(name)
        metric = metrics.get(card.metric)
        try:
            task, trained, digest = _load(card.suite, card.entry, card.architecture)
            task.read("test")  # cached for all presets with this data, and not timed
        # The suite may no longer exist, or its data may not be there.
        except (ConfigError, DatasetError, WheelError, OSError) as error:
            message = f"{name}: not measured. {error}"
            console.print(message, style="red", markup=False, highlight=False)
            all_match = False
            continue
        start = time.perf_counter()
        model = pretrained.load(name)
        if config.quantize:
            model.quantize(config.quantize)
        loaded = time.perf_counter()
        evaluation = task.evaluate(model, trained)
        evaluated = time.perf_counter()
        also = {
            dataset: _elsewhere(dataset, trained, model).value
            for dataset, pattern in config.also.items()
            if fnmatch.fnmatchcase(name, pattern)
        }
        tags = {
            "suite": config.suite,
            "task": card.task,
            "dataset": card.dataset,
            "dataset_digest": digest,
            "architecture": card.architecture,
            "seed": str(card.seed),
            "kernel": kernels_of(model),
            "metric": card.metric,
            "preset": name,
            **({"quantize": config.quantize} if config.quantize else {}),
        }
        with runs.open_run(f"pretrained/{card.dataset}", name, tags, {"card": card.value}):
            runs.log_evaluation(metric, evaluation)
            runs.log_metrics(
                {
                    "params": card.parameters,
                    "load_seconds": loaded - start,
                    "evaluate_seconds": evaluated - loaded,
                    "predict_ms": latency_ms(model, task.example_for(model)),
                    **{f"test/{card.metric}_on_{one}": value for one, value in also.items()},
                }
            )
        drift = abs(evaluation.value - card.value)
        message = f"{name}: {card.metric} {evaluation.value:.4g}, the card says {card.value:.4g}"
        if digest != card.dataset_digest:
            message += f"; the data has changed: {digest}, the card says {card.dataset_digest}"
        tolerance = config.tolerances.get(card.metric, metric.tolerance)
        matches = drift <= tolerance and digest == card.dataset_digest
        style = None if matches else "red"
        console.print(message, style=style, markup=False, highlight=False)
        for dataset, value in also.items():
            console.print(f"  on {dataset}: {value:.4g}", markup=False, highlight=False)
        all_match = all_match and matches
    return all_match
