"""The generated tables of the guides: the architectures of a task side by side."""

import re

from benchmarks import metrics
from benchmarks.atomic import replace_text
from benchmarks.report import files
from benchmarks.report.readme import SUITES, between_marks
from benchmarks.report.rows import by_experiment
from benchmarks.report.table import MISSING, Table, grid

COLUMNS = ("baseline", "rnn", "lstm", "gru")


def update():
    """Updates the tables of the guides; returns a list of the `Path` of each guide with any."""
    changed = []
    for path in sorted(files.RESULTS.parent.glob("*.md")):
        content = path.read_text(encoding="utf-8")
        if _marked(content):
            replace_text(path, updated(content))
            changed.append(path)
    return changed


def updated(content):
    """A guide with the tables between marks such as `<!-- sentiment:begin -->` made anew.

    Args:
        content: str, the guide.
    """
    for task, rows in _marked(content).items():
        content = between_marks(content, task, table(rows))
    return content


def _marked(content):
    """A dict from each task with marks in a guide to its `comparison.Row`s."""
    rows = [row for suite in SUITES for row in files.read(suite)]
    names = re.findall(r"<!-- (\w+):begin -->", content)
    found = {name: [row for row in rows if row.task == name] for name in names}
    return {name: rows for name, rows in found.items() if rows}


def table(rows):
    """The Markdown table of a task: one line per experiment, the best value in bold.

    Args:
        rows: non-empty list of `comparison.Row` of one task.
    """
    headings = ["data", "metric", *COLUMNS, "other"]
    return grid(Table(rows[0].task, headings, list(_lines(rows)), ""))


def _lines(rows):
    for name, found in by_experiment(rows).items():
        metric = metrics.get(found[0].metric)
        best = max(found, key=lambda row: metric.rank(row.value))
        cells = {}
        for row in found:
            value = metric.text(row.value)
            cells[row.members or row.architecture] = f"**{value}**" if row is best else value
        own = [cells.pop(column, MISSING) for column in COLUMNS]
        others = ", ".join(f"{label} {cell}" for label, cell in cells.items()) or MISSING
        yield [name.removeprefix(f"{found[0].task}/"), metric.name, *own, others]
