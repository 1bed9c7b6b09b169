"""Learning curves: the validation metric of each architecture after each epoch."""

import statistics

from benchmarks import metrics, plots
from benchmarks.config import is_baseline
from benchmarks.report.comparison import members, place
from benchmarks.report.gaps import SOLVED
from benchmarks.report.rows import ExperimentRow, by_experiment, kept_rows
from benchmarks.report.table import Table
from benchmarks.tracking import store

NOTES = """\
Produced by `make bench` and `make report`. For the metric on the validation split, as a mean over
seeds: its best value, the epoch of that value, and the value after the first epoch. The pages of
the tasks show the curves. Ensembles, runs of the step `climb` and data with a single architecture
are left out.
"""


class Row(ExperimentRow, frozen=True, extra="forbid"):
    """One epoch of one architecture of one experiment.

    Attributes:
        metric: name of the metric on the validation split.
        value: the mean over seeds.
        seeds: number of runs that trained that long.
    """

    metric: str
    seeds: int
    epoch: int
    value: float


def rows(records):
    """The rows of one experiment, from a list with the `Record` of each run."""
    curves = {}
    for record in records:
        is_single = members(record) is None
        is_climb = SOLVED in store.curve_names(record)
        if is_single and not is_climb and not is_baseline(record.tags["architecture"]):
            curve = curves.setdefault(record.tags["architecture"], {})
            for epoch, values in store.epochs(record).items():
                value = values[f"val/{record.tags['validation_metric']}"]
                curve.setdefault(epoch, []).append(value)
    if len(curves) < 2:
        return []
    tags = records[0].tags
    return [
        Row(
            task=tags["task"],
            dataset=tags["dataset"],
            entry=tags["entry"],
            architecture=architecture,
            metric=tags["validation_metric"],
            seeds=len(values),
            epoch=epoch,
            value=statistics.fmean(values),
        )
        for architecture in sorted(curves, key=place)
        for epoch, values in sorted(curves[architecture].items())
    ]


def merged(old, new):
    """The new rows, plus the old ones of other architectures in the same experiments.

    Rows of fewer seeds don't replace those of more.
    """
    kept = kept_rows(old, new, lambda rows: rows[0].seeds)
    return sorted(kept, key=lambda row: (*place(row.architecture), row.epoch))


def pictures(rows):
    """A dict from each task to the Matplotlib `Figure` of its learning curves."""
    tasks = {}
    for experiment, found in by_experiment(rows).items():
        curves = {}
        for row in found:
            curves.setdefault(row.architecture, {})[row.epoch] = row.value
        title = experiment.removeprefix(f"{found[0].task}/")
        tasks.setdefault(found[0].task, {})[title] = (found[0].metric, curves)
    return {task: plots.learning_curves(found) for task, found in tasks.items()}


def tables(rows):
    """The tables of these rows, one per experiment."""
    return [_table(name, found) for name, found in by_experiment(rows).items()]


def _table(name, rows):
    metric = metrics.get(rows[0].metric)
    lines = []
    for architecture in dict.fromkeys(row.architecture for row in rows):
        curve = [row for row in rows if row.architecture == architecture]
        best = max(curve, key=lambda row: metric.rank(row.value))
        values = [metric.text(best.value), str(best.epoch), metric.text(curve[0].value)]
        lines.append([architecture, str(curve[0].seeds), str(len(curve)), *values])
    headings = ["architecture", "seeds", "epochs", "best", "at epoch", "after the first"]
    return Table(name, headings, lines, f"{metric.name} on the validation split")
