"""Descriptions in the MLflow UI, in Markdown: of experiments, runs and registered models."""

import mlflow

from benchmarks import config, metrics
from benchmarks.tracking import charts, store

LONGEST = 16_000  # characters that MLflow takes
PREFIX = "description."


def of_run(run, task, evaluation, baseline=None):
    """The description of a run.

    Args:
        run: the `RunConfig` as the suite has it.
        task: the `Task`.
        evaluation: the `Evaluation` on the test split.
        baseline: str or None, what a baseline does; the first line of its description.
    """
    value = _value(task.metric, evaluation.value, *(evaluation.interval or (None, None)))
    lines = [
        baseline,
        f"`{run.architecture}`, seed {run.seed}, of the suite `{run.suite}`, entry `{run.entry}`: "
        f"**test {value}** ({evaluation.signature}).",
        _data(run.dataset_name, task.data.description, task.data.licence),
        _command_of_run(run.suite, run.entry, run.architecture, run.seed, run.digest),
        *evaluation.warnings,
    ]
    return _paragraphs(lines)


def describe_experiment(record, comparison, table, conclusion, choices):
    """Describes an experiment: its data and metric, and each comparison with its view.

    Args:
        record: the `Record` of one of its runs.
        comparison: str, the name of the comparison, whose earlier description is replaced.
        table: str, its table, as Markdown.
        conclusion: str, what it shows.
        choices: dict of those of `make bench` that make it, such as `{"SUITE": "quick"}`.
    """
    tags = record.tags
    metric = metrics.get(tags["metric"])
    better = "higher" if metric.higher_is_better else "lower"
    intro = [
        _data(tags["dataset"], tags.get("dataset_description"), tags.get("dataset_licence")),
        f"Metric: {metric.name} on the test split, {better} is better. {tags['metric_signature']}.",
    ]
    describe(record.experiment_id, intro, comparison, [conclusion, table, command(**choices)])


def describe_leaderboard(experiment_id, comparison, table, footnote, choices):
    """Describes the leaderboard; see `describe_experiment`."""
    intro = [
        "One run per architecture and suite, rewritten by each `make bench` from its finished "
        f"runs. {footnote[0].upper()}{footnote[1:]}. An architecture without a result in each task "
        "has no mean."
    ]
    describe(experiment_id, intro, comparison, [table, command(**choices)])


def describe_champion(name, version, record):
    """Describes a registered model, and the version that is its champion.

    Args:
        name: str, the name of the registered model.
        version: str.
        record: `Record` of its run.
    """
    tags, client = record.tags, mlflow.MlflowClient()
    metric = metrics.get(tags["metric"])
    values = [record.metrics.get(f"test/{metric.name}{part}") for part in ("", "_low", "_high")]
    model = [
        f"The best model of `{tags['task']}` on `{tags['dataset']}`, chosen by "
        f"{tags['validation_metric']} on the validation split. It takes raw input.",
        _data(tags["dataset"], tags.get("dataset_description"), tags.get("dataset_licence")),
        "Load and serve it:",
        f'```python\nimport zoo\n\nmodel = zoo.load("models:/{name}@champion")\n```',
        f'```sh\nmlflow models serve -m "models:/{name}@champion" --env-manager local\n```',
    ]
    of_version = [
        f"`{tags['architecture']}`, seed {tags['seed']}, of the suite `{tags['suite']}`: test "
        f"{_value(metric, *values)} ({tags['metric_signature']}).",
        f"{record.metrics['params']:,.0f} parameters, trained for "
        f"{record.metrics['train_seconds']:,.0f} s, at commit `{tags['git_commit'][:12]}`, on data "
        f"with the digest `{tags['dataset_digest']}`.",
        _command_of_run(
            tags["suite"],
            tags["entry"],
            tags["architecture"],
            int(tags["seed"]),
            tags["config_digest"],
        ),
    ]
    client.update_registered_model(name, _paragraphs(model))
    client.update_model_version(name, version, _paragraphs(of_version))


def describe(experiment_id, intro, comparison, parts):
    """Describes an experiment: what all comparisons share, then this one and, space permitting, the
    others.

    Args:
        experiment_id: str.
        intro: list of str, paragraphs in Markdown.
        comparison: str, the name of the comparison, whose earlier description is replaced.
        parts: list of str or None, its paragraphs.
    """
    client = mlflow.MlflowClient()
    view = charts.view_name(comparison)
    address = charts.url(experiment_id, view)
    section = _paragraphs([f"### [{comparison}]({address})", *parts])
    client.set_experiment_tag(experiment_id, f"{PREFIX}{view}", section)
    kept = {
        name: text
        for name, text in mlflow.get_experiment(experiment_id).tags.items()
        if name.startswith(PREFIX) and name != f"{PREFIX}{view}"
    }
    note = _paragraphs([*intro, section])
    for text in kept.values():
        if len(note) + len(text) < LONGEST:
            note = _paragraphs([note, text])
    client.set_experiment_tag(experiment_id, store.NOTE, note)


def command(SUITE, **choices):
    """The command that reproduces it; None for a suite of the user's, whose path isn't known."""
    if SUITE not in config.suites():
        return None
    chosen = "".join(f" {name}={value}" for name, value in choices.items() if value)
    return f"```sh\nmake bench SUITE={SUITE}{chosen}\n```"


def _data(name, description, licence):
    about = f" {description}" if description else ""
    return f"Data: `{name}`.{about} Licence: {licence or 'not stated'}."


def _value(metric, value, low, high):
    bounds = "" if low is None else f", 95 % interval {metric.text(low)}–{metric.text(high)}"
    return f"{metric.name} {metric.text(value)}{bounds}"


def _command_of_run(suite, entry, architecture, seed, digest):
    """The command that trains a run; None if the suite, as it stands, has no such run."""
    if suite not in config.suites():
        return None
    try:
        found = config.load(suite, tasks=[entry], chosen=[architecture], seeds=seed + 1)
    except config.ConfigError:  # the suite has changed
        return None
    if digest not in {run.digest for run in found}:
        return None
    return command(suite, TASK=entry, ARCH=architecture, SEEDS=seed + 1)


def _paragraphs(lines):
    return "\n\n".join(line for line in lines if line)
