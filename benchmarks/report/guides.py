"""The generated tables of the guides: the architectures of a task side by side."""

import re

from benchmarks import metrics
from benchmarks.atomic import replace_text
from benchmarks.report import files
from benchmarks.report.readme import SUITES, between_marks
from benchmarks.report.table import MISSING, Table, by_experiment, grid

COLUMNS = ("baseline", "rnn", "lstm", "gru")


def update():
    """Updates the tables between marks such as `<!-- sentiment:begin -->` in `docs`.

    Returns:
        A list of the `Path` of each guide that has such marks.
    """
    changed = []
    for path in sorted(files.RESULTS.parent.glob("*.md")):
        content = path.read_text(encoding="utf-8")
        tasks = re.findall(r"<!-- (\w+):begin -->", content)
        for task in tasks:
            content = between_marks(content, task, table(task))
        if tasks:
            replace_text(path, content)
            changed.append(path)
    return changed


def table(task):
    """The Markdown table of a task: a line an experiment, the best value in bold.

    Args:
        task: str, the task kind.
    """
    rows = [row for suite in SUITES for row in files.read(suite) if row.task == task]
    return grid(Table(task, ["data", "metric", *COLUMNS, "other"], list(_lines(rows)), ""))


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
