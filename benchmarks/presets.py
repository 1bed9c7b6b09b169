"""Presets made from finished runs, the weights of the best seed and a card; and their measure."""

import json
import shutil
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

from benchmarks import config as suites
from benchmarks import metrics, run
from benchmarks.config import BASELINE, ConfigError
from benchmarks.data import task_of
from benchmarks.tracking import store
from zoo import pretrained
from zoo.layers import architectures


def export(suite, console):
    """Writes a preset for each dataset and architecture that the suite has finished runs of.

    Runs that hold out a fold each are left out: no one of them is the model of the others.
    Of several seeds the one that is best on the validation split is taken. A preset that is there
    already is replaced once the new one is whole.

    Returns:
        The names of the presets.

    Raises:
        ConfigError: where a preset of that name is of another dataset, or the data has changed
            since the run; presets made before stay.
    """
    names = []
    configs = [config for config in suites.every_seed(suite) if not config.splits.folds]
    of_digest = {config.digest: config for config in configs}
    for records in store.finished(configs).values():
        by_architecture = {}
        for record in records:
            if record.tags["architecture"] != BASELINE:
                by_architecture.setdefault(record.tags["architecture"], []).append(record)
        for runs in by_architecture.values():
            best = max(runs, key=lambda record: record.selection_key)
            names.append(_write(best, runs, suite, of_digest[best.tags["config_digest"]]))
            console.print(f"Written: {names[-1]}")
    return names


def _write(best, runs, suite, config):
    tags = best.tags
    metric = tags["metric"]
    name = f"{config.preset}_{config.architecture}"
    if name in pretrained.list_presets() and pretrained.card(name).dataset != tags["dataset"]:
        raise ConfigError(
            f"There is a preset {name!r} already, of the dataset {pretrained.card(name).dataset}. "
            f"Name that of {tags['dataset']} otherwise, by the key `preset` of the suite's task."
        )
    task, digest = task_of(config)
    if digest != tags["dataset_digest"]:
        raise ConfigError(
            f"{config.dataset} has changed since the run of {config.architecture}: run make bench "
            "first."
        )
    with tempfile.TemporaryDirectory(dir=pretrained.PRESETS) as temporary:
        folder = store.download_preset(best, Path(temporary))
        for path in folder.glob("*.weights.h5"):
            halve(path)
        # Measured as it is stored, so the card tells of the files and not of what made them.
        model = pretrained.load(str(folder))
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
            seeds=tuple(record.metrics[f"test/{metric}"] for record in runs),
            parameters=model.count_params(),
            train_seconds=best.metrics["train_seconds"],
            command=(
                f"make bench SUITE={suite} TASK={config.entry} "
                f"ARCH={tags['architecture']} SEEDS={len(runs)}"
            ),
            git_commit=tags["git_commit"],
            paper=architectures.get(tags["architecture"]).paper,
            licence="Apache-2.0",
            bytes=sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
            sha256=pretrained.digests(folder),
        )
        text = json.dumps(card.__dict__, indent=2, ensure_ascii=False)
        (folder / pretrained.CARD).write_text(text + "\n", encoding="utf-8")
        shutil.rmtree(pretrained.PRESETS / name, ignore_errors=True)
        folder.rename(pretrained.PRESETS / name)
    return name


def _load(suite, entry, architecture):
    """The task of a suite's entry on its data, the configuration of an architecture, and the digest
    of the data."""
    (config,) = suites.load(suite, tasks=[entry], chosen=[architecture], seeds=1)
    task, digest = task_of(config)
    return task, config, digest


def halve(path):
    """Stores the weights of a file in half precision; Keras makes them float32 when it loads."""

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
    # Deleted data stays in the file; a copy leaves it behind.
    with h5py.File(temporary) as half, h5py.File(path, "w") as file:
        for name in half:
            half.copy(name, file)
        file.attrs.update(half.attrs)
    temporary.unlink()


def measure(config, console):
    """Measures the pretrained models on the test split of their data.

    Args:
        config: a `benchmarks.config.PresetsConfig`.
        console: `rich.console.Console` to tell the progress on.

    Returns:
        Whether all are what their cards say.
    """
    kept = True
    for name in pretrained.list_presets(config.presets):
        card = pretrained.card(name)
        metric = metrics.get(card.metric)
        try:
            task, trained, digest = _load(card.suite, card.entry, card.architecture)
        except ConfigError as error:  # such as of a suite that isn't there any more
            console.print(f"[red]{name}: not measured. {error}[/red]", highlight=False)
            kept = False
            continue
        task.read("test")  # once for all presets of the data, and no part of the time
        start = time.perf_counter()
        model = pretrained.load(name)
        loaded = time.perf_counter()
        evaluation = task.evaluate(model, trained)
        evaluated = time.perf_counter()
        tags = {
            "suite": config.suite,
            "task": card.task,
            "dataset": card.dataset,
            "dataset_digest": digest,
            "architecture": card.architecture,
            "seed": str(card.seed),
            "kernel": run.kernels_of(model),
            "metric": card.metric,
            "preset": name,
        }
        with store.open_run(f"pretrained/{card.dataset}", name, tags, {"card": card.value}):
            store.log_evaluation(metric, evaluation)
            store.log_metrics(
                {
                    "params": card.parameters,
                    "load_seconds": loaded - start,
                    "evaluate_seconds": evaluated - loaded,
                    "predict_ms": run.latency_ms(model, task.example()),
                }
            )
        drift = abs(evaluation.value - card.value)
        said = f"{name}: {card.metric} {evaluation.value:.4g}, the card says {card.value:.4g}"
        if digest != card.dataset_digest:
            said += f"; the data is another: {digest}, the card says {card.dataset_digest}"
        is_kept = drift <= metric.tolerance and digest == card.dataset_digest
        console.print(said if is_kept else f"[red]{said}[/red]", highlight=False)
        kept = kept and is_kept
    return kept
