"""Reports: tables of results for the terminal, `docs/results` and the README."""

from benchmarks.report import results
from benchmarks.report.results import comparisons, of_latest, pretrained, tables
from benchmarks.report.table import Table, print_tables

__all__ = [
    "Table",
    "comparisons",
    "of_latest",
    "pretrained",
    "print_tables",
    "results",
    "tables",
]
