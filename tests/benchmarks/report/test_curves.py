"""Learning curves: which runs have one, and what is written of them."""

import dataclasses

import pytest

from benchmarks.report import curves, files
from benchmarks.tracking import store

HISTORY = {"rnn": [0.5, 0.625, 0.6], "gru": [0.5, 0.75, 0.875]}


@pytest.fixture
def trained(run, monkeypatch):
    """A function that makes the record of an architecture whose epochs are those of `HISTORY`."""

    def epochs(record):
        values = HISTORY[record.tags["architecture"]]
        return {n + 1: {"val/accuracy": value} for n, value in enumerate(values)}

    monkeypatch.setattr(store, "epochs", epochs)

    def make(architecture, **options):
        record = run(architecture, 0.5, **options)
        return dataclasses.replace(record, tags={**record.tags, "validation_metric": "accuracy"})

    return make


def test_a_table_tells_the_best_epoch_of_each_architecture(results, trained, run):
    records = [trained("gru"), trained("rnn"), trained("rnn"), run("baseline", 0.5)]
    rows = curves.rows(records)
    files.write("quick_curves", rows)
    assert [row.seeds for row in rows if row.architecture == "rnn"] == [2, 2, 2]
    (table,) = curves.tables(files.read("quick_curves"))
    assert table.title == "sentiment/films"
    assert table.rows == [
        ["rnn", "2", "3", "0.625", "2", "0.500"],
        ["gru", "1", "3", "0.875", "3", "0.500"],
    ]
    (figure,) = curves.pictures(rows).values()
    (axes,) = figure.axes
    assert {line.get_label(): list(line.get_ydata()) for line in axes.lines} == HISTORY


def test_ensembles_and_single_architectures_have_no_curves(trained):
    members = {"ensemble.members": "3"}
    assert curves.rows([trained("gru"), trained("rnn", params=members)]) == []


def test_the_curve_of_more_seeds_is_kept(trained):
    old = curves.rows([trained("gru"), trained("rnn"), trained("rnn")])
    kept = curves.merged(old, curves.rows([trained("gru"), trained("rnn")]))
    assert {row.architecture: row.seeds for row in kept} == {"rnn": 2, "gru": 1}
