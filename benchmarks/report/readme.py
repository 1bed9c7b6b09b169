"""The generated parts of README.md: the best model of each task, and the speed of the LSTM."""

import re

from benchmarks import metrics
from benchmarks.atomic import replace_text
from benchmarks.config import BASELINE, is_baseline
from benchmarks.report import files
from benchmarks.report.rows import by_experiment
from benchmarks.report.table import MISSING, Table, grid

SUITES = ("quick", "standard")


def update():
    """Updates the generated parts of the README from `docs/results`."""
    content = files.README.read_text(encoding="utf-8")
    for name, text in (("best", best()), ("speed", speed())):
        content = between_marks(content, name, text)
    replace_text(files.README, content)


def between_marks(content, name, text):
    """Replaces the text between `<!-- name:begin -->` and `<!-- name:end -->`.

    Args:
        content: str, the README.
        name: str, the name of the marks.
        text: str.

    Returns:
        The new content.

    Raises:
        ValueError: the marks are missing.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if not re.search(f"{begin}.*{end}", content, re.DOTALL):
        raise ValueError(f"README.md lacks the marks {begin} and {end}. Add them.")
    before, _, rest = content.partition(begin)
    return f"{before}{begin}\n\n{text}\n\n{end}{rest.partition(end)[2]}"


def best():
    """The table of the best architecture per experiment, and a sentence on where baselines win.

    Experiments with a single architecture are left out. Next to the architecture are the best
    baseline and the best preset.
    """
    lines, lost, notes = [], [], {}
    for rows in by_experiment(row for suite in SUITES for row in files.read(suite)).values():
        trained = [row for row in rows if not is_baseline(row.architecture)]
        baselines = [row for row in rows if is_baseline(row.architecture)]
        if len(trained) < 2 or not baselines:
            continue
        metric = metrics.get(rows[0].metric)
        baseline = max(baselines, key=lambda row: metric.rank(row.value))
        top = max(trained, key=lambda row: metric.rank(row.value))
        values = [metric.text(top.value), metric.text(baseline.value)]
        named = top.entry in (top.task, top.dataset)
        data = top.dataset if named else f"{top.dataset}, {top.entry}"
        if metric.is_better(baseline.value, top.value):
            lost.append(f"{data} ({values[1]} against {values[0]})")
            notes[baseline.note or BASELINE] = None
            values[1] = f"**{values[1]}**"
        else:
            values[0] = f"**{values[0]}**"
        model = f"{top.members or top.architecture} {values[0]}"
        lines.append([top.task, data, top.metric, model, values[1], _preset(top)])
    tasks = [line[0] for line in lines]
    lines.sort(key=lambda line: tasks.index(line[0]))
    if not lines:
        return "There are no results yet."
    headings = ["task", "dataset", "metric", "best architecture", "baseline", "best preset"]
    text = grid(Table("best", headings, lines, ""))
    if lost:
        text += f"\n\nThe baseline ({'; '.join(notes)}) wins on {_enumeration(lost)}."
    return text


def _preset(row):
    """The best preset for a row's dataset; of equally good ones, the smallest."""
    found = [
        preset
        for preset in files.read("pretrained")
        if (preset.task, preset.dataset) == (row.task, row.dataset)
    ]
    # An entry of another name has other splits, or is a recipe of one of these.
    if not found or row.entry not in (row.task, row.dataset.split("/")[0]):
        return MISSING
    metric = metrics.get(row.metric)
    top = max(found, key=lambda preset: (metric.rank(preset.value), -preset.parameters))
    members = f" ({top.members})" if top.members else ""
    return f"{top.preset} {metric.text(top.value)}{members}"


def _enumeration(names):
    *names, last = names
    return f"{', '.join(names)} and {last}" if names else last


def speed():
    """A sentence on the speed of LSTM training relative to Keras, over all timed shapes."""
    found = [
        row
        for row in files.read("layers")
        if (row.experiment, row.mode, row.implementation) == ("layers/lstm", "training", "zoo")
    ]
    if not found:
        return "Its speed has not been measured yet."
    ratios = [row.speedup for row in found]
    return (
        f"On a CPU it trains {min(ratios):.1f} to {max(ratios):.1f} times as fast as "
        f"`keras.layers.LSTM` ({len(ratios)} shapes, {found[0].threads} threads: "
        "[all timings](docs/results/layers.md))."
    )
