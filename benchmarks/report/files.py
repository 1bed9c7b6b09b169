"""The files in `docs/results`: rows as CSV, and Markdown rendered from them."""

import csv
import io
from pathlib import Path

from benchmarks.atomic import replace_bytes, replace_text
from benchmarks.report import comparison, curves, gaps, layers, presets
from benchmarks.report.table import markdown

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "docs" / "results"
README = ROOT / "README.md"
FORMS = (comparison, curves, gaps, layers, presets)


def read(name):
    """Reads the rows of a CSV file.

    Args:
        name: str, the name of the file without its suffix.

    Returns:
        A list of the rows' models, such as `comparison.Row`; empty if there is no file.

    Raises:
        ValueError: the file has other columns or values than the report writes.
    """
    path = RESULTS / f"{name}.csv"
    return _read(path)[1] if path.is_file() else []


def render(name):
    """Renders a CSV file, named without its suffix, as Markdown; returns a str."""
    form, rows = _read(RESULTS / f"{name}.csv")
    notes = form.NOTES.format(name=name)
    source = f"<!-- Rendered from {name}.csv by `make report`; edit neither. -->"
    return f"# {name}\n\n{source}\n\n{notes}\n{markdown(form.tables(rows))}\n"


def write(name, rows):
    """Writes rows as CSV and as Markdown.

    Args:
        name: str, the name of the files without their suffix.
        rows: non-empty list of rows of one kind.

    Returns:
        The `Path` of the Markdown file.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    columns = list(type(rows[0]).model_fields)
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    for row in rows:
        table.writerow({column: _text(getattr(row, column)) for column in columns})
    replace_text(RESULTS / f"{name}.csv", text.getvalue())
    replace_text(RESULTS / f"{name}.md", render(name))
    return RESULTS / f"{name}.md"


def save_figure(path, figure):
    """Saves a Matplotlib `Figure` as PNG, replacing an earlier file."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=90)
    replace_bytes(path, content.getvalue())


def _read(path):
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        forms = [form for form in FORMS if list(form.Row.model_fields) == table.fieldnames]
        if not forms:
            raise ValueError(
                f"{path} has unexpected columns. Remove it and run make report SUITE={path.stem}. "
                f"Received: {', '.join(table.fieldnames or [])}"
            )
        filled = [{name: value for name, value in row.items() if value != ""} for row in table]
        return forms[0], [forms[0].Row.model_validate(row) for row in filled]


def _text(value):
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
