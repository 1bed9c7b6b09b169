"""Tables of pretrained models, from their cards and from new measurements."""

import collections
import json
import statistics

import pydantic

import zoo
from benchmarks import metrics
from benchmarks.report.table import Table, interval
from zoo import pretrained

NOTES = """\
Produced by `make presets` from the cards in `zoo/presets`. `make bench SUITE=pretrained` measures
every preset again and fails if one differs from its card. `zoo info PRESET` prints a card, with the
data, the licence, and the command and the commit that made the model.

- **test**: the preset as it is stored; of several seeds, the best on the validation split.
- **95 % interval**: reflects the size of the test split.
- **all seeds**: the mean over the trained seeds ± their standard deviation, and their number.
- **minutes**: the training time.
"""


class Row(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One preset.

    Attributes:
        members: the members of an ensemble, such as `5 × bigru`.
        value, low, high: the metric on the test split with its 95 % interval.
        seeds, mean, deviation: the number of trained seeds, and the mean and standard deviation of
            their metric.
    """

    preset: str
    suite: str
    task: str
    dataset: str
    architecture: str
    members: str | None = None
    metric: str
    value: float
    low: float | None = None
    high: float | None = None
    seeds: int
    mean: float
    deviation: float | None = None
    parameters: int
    bytes: int
    train_seconds: float


def rows():
    """The rows of all presets, from their cards."""
    return [_row(zoo.card(name)) for name in zoo.list_presets()]


def _row(card):
    low, high = card.interval or (None, None)
    return Row(
        preset=card.preset,
        suite=card.suite,
        task=card.task,
        dataset=card.dataset,
        architecture=card.architecture,
        members=_members(card.preset),
        metric=card.metric,
        value=card.value,
        low=low,
        high=high,
        seeds=len(card.seeds),
        mean=statistics.fmean(card.seeds),
        deviation=statistics.stdev(card.seeds) if len(card.seeds) > 1 else None,
        parameters=card.parameters,
        bytes=card.bytes,
        train_seconds=card.train_seconds,
    )


def _members(preset):
    """The members of an ensemble, such as `bilstm + ngram`; None for a single model."""
    path = pretrained.PRESETS / preset / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))["config"]
    names = collections.Counter(
        member["config"]["backbone"]["config"].get("architecture")
        or member["class_name"].removesuffix("Classifier").lower()
        for member in config.get("members", [])
    )
    parts = [f"{count} × {name}" if count > 1 else name for name, count in names.items()]
    return " + ".join(parts) or None


def tables(rows):
    """The table of these rows, in a list."""
    headings = ["preset", "suite", "model", "test", "metric", "95 % interval", "all seeds"]
    headings += ["parameters", "MB", "minutes"]
    footnote = f"{len(rows)} presets, {sum(row.bytes for row in rows) / 1e6:.0f} MB in all"
    return [Table("presets", headings, [_cells(row) for row in rows], footnote)]


def _cells(row):
    number = metrics.get(row.metric).text
    spread = "" if row.deviation is None else f" ± {number(row.deviation)} ({row.seeds})"
    return [
        row.preset,
        row.suite,
        row.members or row.architecture,
        number(row.value),
        row.metric,
        interval(number, row.low, row.high),
        number(row.mean) + spread,
        f"{row.parameters:,}",
        f"{row.bytes / 1e6:.1f}",
        f"{row.train_seconds / 60:.1f}",
    ]


def measured(name, records):
    """The table of presets that were measured again, from a list with the `Record` of each."""
    headings = ["preset", "test", "metric", "95 % interval", "card", "load (s)"]
    headings += ["evaluate (s)", "latency (ms)", "kernel"]
    lines = [_measured_cells(record) for record in sorted(records, key=lambda r: r.tags["preset"])]
    return Table(name, headings, lines, records[0].tags["metric_signature"])


def _measured_cells(record):
    metric, values = record.tags["metric"], record.metrics
    number = metrics.get(metric).text
    return [
        record.tags["preset"],
        number(values[f"test/{metric}"]),
        metric,
        interval(number, values.get(f"test/{metric}_low"), values.get(f"test/{metric}_high")),
        number(float(record.params["card"])),
        f"{values['load_seconds']:,.1f}",
        f"{values['evaluate_seconds']:,.1f}",
        f"{values['predict_ms']:,.1f}",
        record.tags["kernel"],
    ]
