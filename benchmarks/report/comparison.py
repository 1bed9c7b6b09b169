"""Comparison tables: the models of an experiment, one row per architecture, baseline first."""

import ast
import statistics

from benchmarks import metrics
from benchmarks.config import is_baseline
from benchmarks.report.rows import ExperimentRow, by_experiment, kept_rows
from benchmarks.report.table import MISSING, Table, interval
from zoo.layers import architectures

NOTES = """\
Produced by `make bench SUITE={name}` and `make report SUITE={name}`. The line below each table
gives the number of seeds (`SEEDS=3`).

Within a table, models differ only in the recurrent layer and in what the suite sets per
architecture. The weights are those of the epoch that is best on the validation split. A run reads
the test split after training; a run of the step `climb`, after training at each gap.

- **test**: the mean over seeds ± their standard deviation; of longest gaps, the median.
- **95 % interval**: reflects the size of the test split; for several seeds, the mean of the bounds.
- **baseline**: a model without a neural network, which the page of each task describes.
- **latency**: the median time from one raw input to its answer.
- **kernel**: `native` is the compiled recurrence, `keras` one built from Keras operations.

Times depend on the machine and its load, so compare them only within a table.
"""


class Row(ExperimentRow, frozen=True, extra="forbid"):
    """One architecture of one experiment. Values are means over seeds.

    Attributes:
        members: the members of an ensemble, such as `5 × bigru`.
        deviation: the standard deviation of the metric over seeds; None for one seed.
        low, high: the 95 % interval of the metric, None if it has none.
        seeds: number of runs.
        folds: whether each seed holds out a different fold.
        signature: how the metric is computed.
        note: describes the baseline.
        conditions: the conditions under which times were measured, if they matter.
    """

    members: str | None = None
    metric: str
    value: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int
    folds: bool = False
    parameters: int
    train_seconds: float
    examples_per_second: float | None = None
    predict_ms: float | None = None
    kernel: str
    signature: str
    note: str | None = None
    conditions: str | None = None


def rows(records):
    """The rows of one experiment, from a list with the `Record` of each run."""
    runs = {}
    for record in records:
        runs.setdefault(record.tags["architecture"], []).append(record)
    return [_row(runs[architecture]) for architecture in sorted(runs, key=place)]


def merged(old, new):
    """The new rows, plus the old ones of other architectures in the same experiments.

    A row of fewer seeds doesn't replace one of more.
    """
    kept = kept_rows(old, new, lambda rows: rows[0].seeds)
    return sorted(kept, key=lambda row: place(row.architecture))


def place(architecture):
    """A sort key: baselines first, then in the order of the registry, unregistered ones last."""
    if is_baseline(architecture):
        return (-1, architecture)
    order = architectures.names()
    known = architecture in order
    return (order.index(architecture) if known else len(order), architecture)


def _row(runs):
    tags = runs[0].tags
    metric = tags["metric"]

    def mean(name):
        values = [run.metrics[name] for run in runs if name in run.metrics]
        return statistics.fmean(values) if values else None

    values = [run.metrics[f"test/{metric}"] for run in runs]
    return Row(
        task=tags["task"],
        dataset=tags["dataset"],
        entry=tags["entry"],
        architecture=tags["architecture"],
        members=members(runs[0]),
        metric=metric,
        value=metrics.get(metric).center(values),
        deviation=metrics.get(metric).spread(values) if len(values) > 1 else None,
        low=mean(f"test/{metric}_low"),
        high=mean(f"test/{metric}_high"),
        seeds=len(runs),
        folds="splits.folds" in runs[0].params,
        parameters=round(mean("params")),
        train_seconds=mean("train_seconds"),
        examples_per_second=mean("examples_per_second"),
        predict_ms=mean("predict_ms"),
        kernel=", ".join(sorted({run.tags["kernel"] for run in runs})),
        signature=tags["metric_signature"],
        note=_note(runs[0]),
        conditions=_conditions(runs),
    )


def _note(run):
    """What a baseline does: the first line of its description."""
    is_described = is_baseline(run.tags["architecture"]) and run.description
    return run.description.splitlines()[0] if is_described else None


def _conditions(runs):
    threads = sorted({run.tags["threads"] for run in runs if "threads" in run.tags})
    unit = "thread" if threads == ["1"] else "threads"
    return f"{' or '.join(threads)} {unit}" if threads else None


def members(run):
    """The members of an ensemble, such as `2 × bilstm + ngram`; None for a single model.

    Args:
        run: a `Record`.
    """
    steps = [name for name in ("ensemble_2", "ensemble") if f"{name}.members" in run.params]
    is_student = run.params.get("pseudo_label.single") == "True"  # of the first ensemble
    if not steps or (is_student and len(steps) == 1):
        return None
    keys = {name: run.params.get(f"{steps[0]}.{name}") for name in ("members", "architectures")}
    architectures = ast.literal_eval(keys["architectures"] or "()") or [run.tags["architecture"]]
    count = f"{keys['members']} × " if keys["members"] != "1" else ""
    names = [f"{count}{architecture}" for architecture in architectures]
    names += ["ngram"] if f"{steps[0]}.ngrams.order" in run.params else []
    return " + ".join(names)


def tables(rows):
    """The tables of these rows, one per experiment."""
    return [_table(name, found) for name, found in by_experiment(rows).items()]


def _table(name, rows):
    headings = [
        "architecture",
        f"test {rows[0].metric}",
        "95 % interval",
        "parameters",
        "train (s)",
        "examples/s",
        "latency (ms)",
        "kernel",
    ]
    return Table(name, headings, [_cells(row) for row in rows], _footnote(rows))


def _cells(row):
    number = metrics.get(row.metric).text
    spread = "" if row.deviation is None else f" ± {number(row.deviation)}"
    return [
        row.members or row.architecture,
        number(row.value) + spread,
        interval(number, row.low, row.high),
        f"{row.parameters:,}",
        f"{row.train_seconds:,.1f}",
        MISSING if row.examples_per_second is None else f"{row.examples_per_second:,.0f}",
        MISSING if row.predict_ms is None else f"{row.predict_ms:,.1f}",
        row.kernel,
    ]


def conclusion(rows):
    """What an experiment's rows show, in a sentence or two; empty without architectures."""
    metric = metrics.get(rows[0].metric)
    trained = [row for row in rows if not is_baseline(row.architecture)]
    baselines = [row for row in rows if is_baseline(row.architecture)]
    if not trained:
        return ""
    best = max(trained, key=lambda row: metric.rank(row.value))
    text = f"Best architecture: {best.architecture}, {metric.name} {metric.text(best.value)}."
    near = [
        row.architecture
        for row in trained
        if row is not best and row.low is not None and row.low <= best.value <= row.high
    ]
    if near:
        text += f" This value is inside the 95 % interval of {', '.join(near)}."
    if baselines:
        top = max(baselines, key=lambda row: metric.rank(row.value))
        verb = "beats" if metric.is_better(best.value, top.value) else "doesn't beat"
        text += f" It {verb} the best baseline, {top.architecture}, {metric.text(top.value)}."
    return text


def _footnote(rows):
    """States the number of seeds, how the metric is computed and what the baseline is."""
    counts = [row.seeds for row in rows if not is_baseline(row.architecture)] or [0]
    fewest, most = min(counts), max(counts)
    seeds = f"{fewest} to {most} seeds" if fewest < most else f"{most} seed{'s' * (most != 1)}"
    if any(row.folds for row in rows):
        seeds += ", each with another fold held out; values and intervals are means over folds"
    metric, signature = rows[0].metric, rows[0].signature
    notes = [seeds, signature if signature.startswith(metric) else f"{metric}: {signature}"]
    notes += [
        f"{row.architecture}: {row.note}"
        for row in rows
        if is_baseline(row.architecture) and row.note
    ]
    if _baseline_wins(rows):
        notes.append("no architecture beats the baseline here")
    conditions = dict.fromkeys(row.conditions for row in rows if row.conditions)
    notes += [f"times: {' or '.join(conditions)}"] if conditions else []
    return "; ".join(notes)


def _baseline_wins(rows):
    """Whether a baseline is at least as good as every architecture; False without architectures."""
    metric = metrics.get(rows[0].metric)
    baselines = [row.value for row in rows if is_baseline(row.architecture)]
    others = [row.value for row in rows if not is_baseline(row.architecture)]
    return bool(others) and any(
        not any(metric.is_better(value, reference) for value in others) for reference in baselines
    )
