"""Tables of results, made from what MLflow holds and nothing else."""

import re
import statistics

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks import tracking
from benchmarks.config import BASELINE

COLUMNS = (
    "architecture",
    "test {metric}",
    "95 % interval",
    "parameters",
    "train s",
    "examples/s",
    "answer ms",
    "kernel",
)


def rows(records):
    """One row of strings an architecture, from the `Record` list of one experiment.

    Values are means over seeds; with more than one seed the metric carries its standard
    deviation over them. The interval is that of the test split's size: the mean of the seeds'
    bounds.
    """
    by_architecture = {}
    for record in records:
        by_architecture.setdefault(record.tags["architecture"], []).append(record)
    return [_row(name, runs) for name, runs in by_architecture.items()]


def _row(architecture, runs):
    metric = runs[0].tags["metric"]
    number = (lambda value: f"{value:.1f}") if metric == "bleu" else (lambda v: f"{v:.3f}")

    def values(name):
        return [run.metrics[name] for run in runs if name in run.metrics]

    def mean(name, form):
        found = values(name)
        return form.format(statistics.fmean(found)) if found else "–"

    scores = values(f"test/{metric}")
    score = number(statistics.fmean(scores))
    if len(scores) > 1:
        score += f" ± {number(statistics.stdev(scores))}"
    low, high = (statistics.fmean(values(f"test/{metric}_{end}")) for end in ("low", "high"))
    return [
        architecture,
        score,
        f"{number(low)}–{number(high)}",
        mean("params", "{:,.0f}"),
        mean("train_seconds", "{:,.1f}"),
        mean("examples_per_second", "{:,.0f}"),
        mean("predict_ms", "{:,.1f}"),
        ", ".join(sorted({run.tags["kernel"] for run in runs})),
    ]


def headings(records):
    """The columns' names for one experiment."""
    return [column.format(metric=records[0].tags["metric"]) for column in COLUMNS]


def footnote(records):
    """How many seeds there are, how the metric was computed and what the baseline is."""
    seeds = len({run.tags["seed"] for run in records if run.tags["architecture"] != BASELINE})
    metric = f"{records[0].tags['metric']}: {records[0].tags['metric_signature']}"
    notes = {f"{seeds} seed{'s' * (seeds != 1)}": None, metric: None}
    for run in records:
        if run.tags["architecture"] == BASELINE:
            notes[f"baseline: {run.tags['mlflow.note.content']}"] = None
    return "; ".join(notes)


def print_suite(suite, console, experiments=None):
    """Prints one table an experiment; `experiments` limits which."""
    for name, records in tracking.latest(suite).items():
        if experiments and name not in experiments:
            continue
        table = Table(title=name, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for index, heading in enumerate(headings(records)):
            table.add_column(heading, justify="left" if index == 0 else "right", no_wrap=True)
        for row in rows(records):
            table.add_row(*row)
        console.print(table)
        console.print(f"  {footnote(records)}\n", style="dim", soft_wrap=True)


def markdown(suite):
    """The tables of a suite as Markdown."""
    parts = []
    for name, records in tracking.latest(suite).items():
        heads = headings(records)
        lines = [f"**{name}**", "", "| " + " | ".join(heads) + " |"]
        lines.append("|" + "|".join(["---"] + ["---:"] * (len(heads) - 1)) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in rows(records)]
        lines += ["", footnote(records) + "."]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def write_between_marks(path, name, text):
    """Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->` in a file."""
    content = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if not re.search(f"{begin}.*{end}", content, re.DOTALL):
        raise ValueError(f"{path} has no marks {begin} and {end} to write between.")
    before, _, rest = content.partition(begin)
    after = rest.partition(end)[2]
    changed = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(changed, encoding="utf-8")
    temporary.replace(path)
