"""Tables of results, made from what MLflow holds, and of presets, from their cards."""

import dataclasses
import re
import statistics
from pathlib import Path

import rich.box
import rich.table

import zoo
from benchmarks import config, tracking
from benchmarks.config import BASELINE
from benchmarks.layers.timing import MODES, REFERENCE
from zoo.layers import architectures


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of one experiment; all cells are str."""

    title: str
    headings: list
    rows: list
    footnote: str


def tables(suite):
    """The tables of a suite's newest runs, one an experiment."""
    if config.kind(suite) == "tasks":
        return comparisons(config.every_seed(suite))
    return of_latest(Path(suite).stem)


def of_latest(suite):
    """The tables of a suite that trains nothing, one an experiment."""
    return [
        speeds(name, records) if "contender" in records[0].tags else comparison(name, records)
        for name, records in tracking.latest(suite).items()
    ]


def comparisons(configs):
    """The tables of what was trained by these configurations, one an experiment."""
    return [comparison(name, records) for name, records in tracking.finished(configs).items()]


def comparison(name, records):
    """Models of one task: one row an architecture, baselines first.

    Values are means over seeds; with more than one seed the metric carries its standard
    deviation over them. The interval is that of the test split's size: the mean of the seeds'
    bounds.
    """
    by_architecture = {}
    for record in records:
        by_architecture.setdefault(record.tags["architecture"], []).append(record)
    metric = records[0].tags["metric"]
    headings = [
        "architecture",
        f"test {metric}",
        "95 % interval",
        "parameters",
        "train s",
        "examples/s",
        "answer ms",
        "kernel",
    ]
    order = [BASELINE, *architectures.names()]
    rows = [
        _comparison_row(architecture, by_architecture[architecture])
        for architecture in sorted(by_architecture, key=order.index)
    ]
    return Table(name, headings, rows, _comparison_footnote(records))


def _comparison_row(architecture, runs):
    metric = runs[0].tags["metric"]
    number = _number(metric)

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


def _comparison_footnote(records):
    """How many seeds there are, how the metric was computed and what the baseline is."""
    trained = [r.tags["architecture"] for r in records if r.tags["architecture"] != BASELINE]
    counts = [trained.count(architecture) for architecture in trained] or [0]
    metric = f"{records[0].tags['metric']}: {records[0].tags['metric_signature']}"
    fewest, most = min(counts), max(counts)
    counted = f"{fewest} to {most} seeds" if fewest < most else f"{most} seed{'s' * (most != 1)}"
    if "splits.folds" in records[0].params:
        counted += ", each with another fold held out; means over folds, of the intervals too"
    notes = {counted: None, metric: None}
    for run in records:
        if run.tags["architecture"] == BASELINE:
            notes[f"baseline: {run.description}"] = None
    return "; ".join(notes)


def pretrained():
    """The table of the pretrained models, from their cards."""
    headings = [
        "preset",
        "suite",
        "test",
        "metric",
        "95 % interval",
        "all seeds",
        "parameters",
        "MB",
        "minutes",
    ]
    rows = []
    for card in map(zoo.card, zoo.list_presets()):
        number = _number(card.metric)
        seeds = number(statistics.fmean(card.seeds))
        if len(card.seeds) > 1:
            seeds += f" ± {number(statistics.stdev(card.seeds))} ({len(card.seeds)})"
        rows.append(
            [
                card.preset,
                card.suite,
                number(card.value),
                card.metric,
                f"{number(card.interval[0])}–{number(card.interval[1])}",
                seeds,
                f"{card.parameters:,}",
                f"{card.bytes / 1e6:.1f}",
                f"{card.train_seconds / 60:.1f}",
            ]
        )
    footnote = (
        "test is the committed model's, the best of its seeds on the validation split, as it is "
        "stored; all seeds is the mean over them ± their standard deviation (their number); "
        "minutes are those of the training"
    )
    return Table("pretrained", headings, rows, footnote)


def _number(metric):
    """How a metric is written."""
    return (lambda value: f"{value:.1f}") if metric == "bleu" else (lambda value: f"{value:.3f}")


def speeds(name, records):
    """Implementations of one layer: one row a mode and contender, one column a shape."""
    shapes = records[0].params["shapes"].split(", ")
    contenders = records[0].params["contenders"].split(", ")
    by_contender = {record.tags["contender"]: record for record in records}
    rows = [
        [mode, contender, *(_speed(by_contender[contender], mode, shape) for shape in shapes)]
        for mode in MODES
        for contender in contenders
        if contender in by_contender and f"{mode}_ms/{shapes[0]}" in by_contender[contender].metrics
    ]
    notes = [
        "times faster than Keras, median of the rounds ± half the distance of their quartiles; "
        "of Keras itself the time of a call",
        "shapes are batch x time x input x units",
        "padded: training with a mask that keeps half of the steps, and in brackets its time as a "
        "part of that without",
        f"{records[0].params['rounds']} rounds in turns, {records[0].params['threads']} threads",
        records[0].tags["versions"],
        records[0].description,
    ]
    return Table(name, ["", "", *shapes], rows, "; ".join(note for note in notes if note))


def _speed(record, mode, shape):
    metrics = record.metrics
    part = metrics.get(f"{mode}_part/{shape}")
    part = "" if part is None else f" ({part:.2f})"
    if record.tags["contender"] == REFERENCE:
        return f"{metrics[f'{mode}_ms/{shape}']:,.1f} ms{part}"
    faster, low, high = (metrics[f"{mode}_{part}/{shape}"] for part in ("speedup", "low", "high"))
    return f"{faster:.2f} ± {(high - low) / 2:.2f}{part}"


def print_tables(tables, console):
    """Prints tables on a `rich.console.Console`."""
    for table in tables:
        lines = rich.table.Table(
            title=table.title, title_justify="left", box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        for heading, cell in zip(table.headings, table.rows[0], strict=True):
            justify = "right" if cell[:1].isdigit() or cell == "–" else "left"
            lines.add_column(heading, justify=justify, no_wrap=True)
        for row in table.rows:
            lines.add_row(*row)
        console.print(lines)
        console.print(f"  {table.footnote}\n", style="dim", soft_wrap=True)


def markdown(tables):
    """Tables as Markdown."""
    parts = []
    for table in tables:
        lines = [f"**{table.title}**", "", "| " + " | ".join(table.headings) + " |"]
        aligned = ["---:" if cell[:1].isdigit() else "---" for cell in table.rows[-1]]
        lines.append("|" + "|".join(aligned) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
        lines += ["", table.footnote + "."]
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
