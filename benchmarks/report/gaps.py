"""Results of the step `climb`: accuracy, seconds and gradients by gap, as a table and a figure."""

import statistics

from benchmarks import plots
from benchmarks.config import is_baseline
from benchmarks.report.comparison import place
from benchmarks.report.rows import ExperimentRow, by_experiment, kept_rows
from benchmarks.report.table import MISSING, Table
from benchmarks.tracking import store

NOTES = """\
Produced by `make bench SUITE=memory` and `make report SUITE=memory`. Each cell is the accuracy on
the test split at this gap and the training time of this gap in seconds, means over the seeds that
tried it. A seed tries a gap if it solved the previous one. An asterisk marks gaps that a seed gave
up because it ran out of time before it ran out of sequences.

In the figure, *trained* is the model of the longest solved gap, and *untrained* a new one.

![Solved gaps against seconds, accuracy against gap, and gradient by lag]({name}.png)
"""


SOLVED = "gap/solved"  # a curve that only runs of the step `climb` have


class Row(ExperimentRow, frozen=True, extra="forbid"):
    """One point of a curve of one run.

    Attributes:
        curve: name of the metric, such as `gap/accuracy`.
        step: the gap or the lag.
    """

    seed: int
    curve: str
    step: int
    value: float


def rows(records):
    """The rows of one experiment with `climb`, from a list with the `Record` of each run."""
    curves = [(record, store.curves(record)) for record in records]
    found = [
        Row(
            task=record.tags["task"],
            dataset=record.tags["dataset"],
            entry=record.tags["entry"],
            architecture=record.tags["architecture"],
            seed=int(record.tags["seed"]),
            curve=name,
            step=step,
            value=value,
        )
        for record, of_run in curves
        if SOLVED in of_run
        for name, curve in of_run.items()
        for step, value in sorted(curve.items())
    ]
    return _sorted(found)


def merged(old, new):
    """The new rows, plus the old ones of other architectures in the same experiments.

    Rows of fewer seeds don't replace those of more.
    """
    return _sorted(kept_rows(old, new, lambda rows: len({row.seed for row in rows})))


def _sorted(rows):
    return sorted(rows, key=lambda row: (*place(row.architecture), row.seed))


def tables(rows):
    """The tables of these rows, one per experiment: accuracy and seconds by architecture and
    gap."""
    return [_table(name, found) for name, found in by_experiment(rows).items()]


def picture(rows):
    """The Matplotlib `Figure` of these rows; see `plots.gaps`."""
    return plots.gaps({name: _curves(found) for name, found in by_experiment(rows).items()})


def _curves(rows):
    """A dict from an architecture to a dict from a curve to a dict from the step to the values of
    all seeds, a list."""
    found = {}
    for row in rows:
        curve = found.setdefault(row.architecture, {}).setdefault(row.curve, {})
        curve.setdefault(row.step, []).append(row.value)
    return found


def _table(name, rows):
    found = _curves(rows)
    gaps = sorted({row.step for row in rows if row.curve == "gap/accuracy"})
    cells = [
        [architecture, *(_cell(curves, gap) for gap in gaps)]
        for architecture, curves in found.items()
    ]
    seeds = {}
    for row in rows:
        seeds.setdefault(row.architecture, set()).add(row.seed)
    counts = sorted({len(found) for name, found in seeds.items() if not is_baseline(name)}) or [1]
    plural = "s" if counts[-1] > 1 else ""
    footnote = f"{' or '.join(map(str, counts))} seed{plural}; {MISSING}: not tried"
    return Table(name, ["architecture", *map(str, gaps)], cells, footnote)


def _cell(curves, gap):
    if gap not in curves["gap/accuracy"]:
        return MISSING
    accuracy = statistics.fmean(curves["gap/accuracy"][gap])
    seconds = statistics.fmean(curves["gap/seconds"][gap])
    mark = "*" if any(curves["gap/out_of_time"][gap]) else ""
    return f"{accuracy:.3f}{mark} ({seconds:,.0f} s)"
