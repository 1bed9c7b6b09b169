"""Text tables, for the terminal and as Markdown."""

import dataclasses
import re

import rich.box
import rich.table

MISSING = "–"
_NUMBERS = re.compile(
    r"[\d.,±–() *]*( m?s)?[\d.() ]*"
)  # such as 0.760 ± 0.001, 43.9 ms (1.13) and 0.998 (12 s)


@dataclasses.dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: str.
        headings: list of str.
        rows: list of lists of str, one cell per heading.
        footnote: str.
    """

    title: str
    headings: list
    rows: list
    footnote: str

    @property
    def numeric(self):
        """Whether each column has only numbers, a list of bool."""
        columns = zip(*self.rows, strict=True)
        return [all(map(_NUMBERS.fullmatch, column)) for column in columns]


def print_tables(tables, console):
    """Prints tables on a `rich.console.Console`."""
    for table in tables:
        lines = rich.table.Table(
            title=table.title, title_justify="left", box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        for heading, numeric in zip(table.headings, table.numeric, strict=True):
            lines.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
        for row in table.rows:
            lines.add_row(*row)
        console.print(lines)
        console.print(f"  {table.footnote}\n", style="dim", soft_wrap=True, markup=False)


def grid(table):
    """A table as Markdown, without its title and footnote."""
    rules = ["---:" if numeric else "---" for numeric in table.numeric]
    rows = [table.headings, *table.rows]
    heading, *lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([heading, "|" + "|".join(rules) + "|", *lines])


def markdown(tables):
    """Tables as Markdown, one section per table."""
    return "\n\n".join(
        f"## {table.title}\n\n{grid(table)}\n\n{table.footnote}." for table in tables
    )


def interval(text, low, high):
    """A cell with an interval whose bounds `text` formats; there may be none."""
    return MISSING if low is None or high is None else f"{text(low)}–{text(high)}"
