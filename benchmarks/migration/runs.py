"""Migrates runs: configuration digests and renamed tags."""

import ast
import json

from benchmarks import config
from benchmarks.tracking import store

# Former `model` keys of a text model that are now steps of the recipe.
_STEP_KEYS = (
    "pretraining_epochs",
    "pretraining_window",
    "adversarial_norm",
    "ngram_order",
    "ngram_count",
)
_FIT_KEYS = ("epochs", "batch_size", "learning_rate", "warmup_epochs", "clip_norm", "monitor")


def migrate():
    """Updates the configuration digests by which this version finds runs, and renamed tags.

    Options that are newer than a run take their defaults.

    Returns:
        `(migrated, left)`: the number of updated runs, and a dict from the title of a run that
        can't be updated to the reason.
    """
    records = store.every_run()
    migrated, left = 0, {}
    store.end_runs_of_older_versions()
    for record in records:
        if "contender" in record.tags:  # the former name of `implementation`
            store.update_run(
                record.run_id,
                {"implementation": record.tags["contender"]},
                {"implementations": record.params.get("contenders", "")},
                remove=("contender",),
            )
            migrated += 1
        if "config_digest" not in record.tags:
            continue
        try:
            content = _content(record, records)
            current = config.from_json(content)
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            title = f"{record.tags.get('task')}, {record.tags.get('architecture')}, {record.run_id}"
            left[title] = str(error).splitlines()[0] if str(error) else type(error).__name__
            if "config" not in record.tags:
                store.update_run(record.run_id, {"config": "null"})  # known not to be updatable
            continue
        tags = {
            "config": current.as_json(),
            "config_digest": current.digest,
            "entry": current.entry,
            "validation_metric": record.tags.get("validation_metric", "accuracy"),
        }
        if any(record.tags.get(name) != value for name, value in tags.items()):
            store.update_run(record.run_id, tags)
            migrated += 1
    return migrated, left


def _content(record, records):
    """The requested configuration of a run, as JSON."""
    if "config" in record.tags:
        return record.tags["config"]
    nested = _nested(record.params)
    nested.setdefault("splits", {})
    if nested.get("equal_parameters"):  # the logged units are the resolved ones
        reference = next(
            other
            for other in records
            if other.params.get("architecture") == nested["equal_parameters"]
            and all(other.tags.get(tag) == record.tags[tag] for tag in ("suite", "task"))
            and other.params.get("entry") == nested["entry"]
        )
        nested["model"]["units"] = reference.params["model.units"]
    nested["recipe"] = _recipe(nested.get("model", {}), nested.pop("training", None))
    model = {key: v for key, v in nested.get("model", {}).items() if key not in _STEP_KEYS}
    if "features" in model:
        model["front_end"] = model.pop("features")
    nested["model"] = model or None
    return json.dumps(nested)


def _nested(params):
    """Flat parameters, such as `model.units`, as nested dicts; tuples are parsed."""
    nested = {}
    for key, value in params.items():
        *parents, last = key.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        is_tuple = value.startswith("(") and value.endswith(")")
        place[last] = (
            ast.literal_eval(value) if is_tuple and last in ("features", "folds") else value
        )
    return nested


def _recipe(model, training):
    """The recipe that corresponds to the former `training` and `model` keys."""
    if training is None:
        return []
    steps = []
    if int(model.get("pretraining_epochs", 0)):
        keys = {"epochs": model["pretraining_epochs"], "window": model["pretraining_window"]}
        steps.append({"step": "pretrain", **keys})
    fit = {key: training[key] for key in _FIT_KEYS if key in training}
    norm = float(model.get("adversarial_norm", 0))
    steps.append({"step": "adversarial", "norm": norm, **fit} if norm else {"step": "fit", **fit})
    members = int(training.get("members", 1))
    order = int(model.get("ngram_order", 0))
    if members > 1 or order:
        ngrams = {"order": order, "count": model["ngram_count"]} if order else None
        steps.append({"step": "ensemble", "members": members, "ngrams": ngrams})
    if rounds := int(training.get("self_training", 0)):
        steps.append({"step": "pseudo_label", "rounds": rounds})
    return [{"version": 1, **step} for step in steps]
