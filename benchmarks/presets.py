"""Presets made from finished runs: the weights of the best seed and a card of what is known."""

import json
import shutil
import tempfile
from pathlib import Path

from benchmarks import tracking
from benchmarks.config import BASELINE
from zoo import pretrained
from zoo.layers import architectures


def export(suite, console):
    """Writes a preset for each dataset and architecture that the suite has finished runs of.

    Of several seeds the one of least validation loss is taken. A preset that is there already
    is replaced once the new one is whole.
    """
    for records in tracking.latest(suite).values():
        by_architecture = {}
        for record in records:
            if record.tags["architecture"] != BASELINE:
                by_architecture.setdefault(record.tags["architecture"], []).append(record)
        for runs in by_architecture.values():
            best = min(runs, key=lambda run: run.metrics["best/val/loss"])
            name = _write(best, runs, suite)
            console.print(f"Written: {name}")


def _write(best, runs, suite):
    tags, metrics = best.tags, best.metrics
    metric = tags["metric"]
    dataset = tags["dataset"].replace("/", "_").replace("-", "_")
    name = f"{dataset}_{tags['architecture']}"
    with tempfile.TemporaryDirectory(dir=pretrained.PRESETS) as temporary:
        folder = tracking.download_preset(best, Path(temporary))
        # Loaded and measured anew, so the card tells of the files and not of what made them.
        model = pretrained.load(str(folder))
        card = pretrained.Card(
            format=pretrained.FORMAT,
            preset=name,
            task=tags["task"],
            architecture=tags["architecture"],
            dataset=tags["dataset"],
            dataset_digest=tags["dataset_digest"],
            dataset_licence=tags["dataset_licence"],
            metric=metric,
            value=metrics[f"test/{metric}"],
            interval=(metrics[f"test/{metric}_low"], metrics[f"test/{metric}_high"]),
            signature=tags["metric_signature"],
            seed=int(tags["seed"]),
            seeds=tuple(run.metrics[f"test/{metric}"] for run in runs),
            parameters=model.count_params(),
            train_seconds=metrics["train_seconds"],
            command=(
                f"make bench SUITE={suite} TASK={tags['task']} "
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
