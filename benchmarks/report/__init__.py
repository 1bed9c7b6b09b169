"""Reports: results for the terminal, `docs/results`, the README and the pages of MLflow."""

from benchmarks.report import results
from benchmarks.report.pages import publish
from benchmarks.report.results import comparisons, of_latest, pretrained, tables
from benchmarks.report.table import Table, print_tables

__all__ = [
    "Table",
    "comparisons",
    "of_latest",
    "pretrained",
    "print_tables",
    "publish",
    "results",
    "tables",
]
