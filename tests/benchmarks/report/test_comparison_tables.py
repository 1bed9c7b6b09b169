"""Comparison tables: one row per architecture, with means over seeds."""

import numpy as np
import pytest

from benchmarks.report import comparison
from benchmarks.report.table import grid


def test_baselines_are_first_and_unknown_architectures_last(run):
    names = ["gru", "my_cell", "rnn", "baseline", "another_cell"]
    rows = comparison.rows([run(name, 0.5) for name in names])
    order = ["baseline", "rnn", "gru", "another_cell", "my_cell"]
    assert [row.architecture for row in rows] == order


def test_values_are_means_over_seeds(run):
    values = [0.70, 0.74, 0.81]
    (row,) = comparison.rows([run("gru", value) for value in values])
    assert row.seeds == 3
    assert row.value == pytest.approx(np.mean(values))
    assert row.deviation == pytest.approx(np.std(values, ddof=1))
    assert (row.low, row.high) == pytest.approx((np.mean(values) - 0.125, np.mean(values) + 0.125))
    (table,) = comparison.tables([row])
    assert table.rows[0][:3] == ["gru", "0.750 ± 0.056", "0.625–0.875"]


def test_one_seed_has_no_deviation(run):
    (row,) = comparison.rows([run("gru", 0.7)])
    assert row.deviation is None
    assert comparison.tables([row])[0].rows[0][1] == "0.700"


def test_values_are_formatted_by_their_metric(run):
    rows = comparison.rows([run("gru", 12.345)])
    bleu = [row.model_copy(update={"metric": "bleu"}) for row in rows]
    (table,) = comparison.tables(bleu)
    assert table.headings[1] == "test bleu"
    assert table.rows[0][1] == "12.3"


def test_a_missing_measurement_is_a_dash(run):
    known = run("gru", 0.5, examples_per_second=1234.5, predict_ms=6.78)
    (table,) = comparison.tables(comparison.rows([run("baseline", 0.4), known]))
    columns = [table.headings.index(name) for name in ("examples/s", "latency (ms)")]
    cells = [[row[column] for column in columns] for row in table.rows]
    assert cells == [["–", "–"], ["1,234", "6.8"]]


def test_the_footnote_names_seeds_metric_and_baseline(run):
    baseline = run("baseline", 0.4, description="counts of words")
    rows = comparison.rows([baseline, run("rnn", 0.5), run("gru", 0.5), run("gru", 0.6)])
    (table,) = comparison.tables(rows)
    assert table.footnote == (
        "1 to 2 seeds; accuracy of 100 examples, 95 % Wilson interval; baseline: counts of words"
    )


def test_the_footnote_names_folds(run):
    folds = {"splits.folds": "('one', 'other')"}
    rows = comparison.rows([run("gru", 0.5, params=folds), run("gru", 0.6, params=folds)])
    assert comparison.tables(rows)[0].footnote.startswith(
        "2 seeds, each with another fold held out"
    )


TEACHER = {"ensemble.members": "1", "ensemble.ngrams.order": "4"}


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({}, "bilstm"),
        ({"ensemble.members": "3"}, "3 × bilstm"),
        ({"ensemble.members": "1", "ensemble.ngrams.order": "4"}, "bilstm + ngram"),
        ({"ensemble.members": "2", "ensemble.ngrams.order": "4"}, "2 × bilstm + ngram"),
        ({"ensemble.members": "1", "ensemble.architectures": "('gru', 'lstm')"}, "gru + lstm"),
        ({**TEACHER, "pseudo_label.single": "True"}, "bilstm"),
        (
            {**TEACHER, "pseudo_label.single": "True", "ensemble_2.members": "2"},
            "2 × bilstm",
        ),
    ],
)
def test_an_ensemble_is_named_by_its_members(run, params, name):
    (table,) = comparison.tables(comparison.rows([run("bilstm", 0.5, params=params)]))
    assert table.rows[0][0] == name
    assert not table.numeric[0]


def test_each_experiment_has_a_table(run):
    rows = comparison.rows([run("gru", 0.5)]) + comparison.rows([run("gru", 0.6, entry="other")])
    found = comparison.tables(rows)
    assert [table.title for table in found] == ["sentiment/films", "sentiment/films/other"]


def test_columns_of_numbers_are_right_aligned(run):
    records = [run("baseline", 0.4), run("gru", 0.5), run("gru", 0.6)]
    (table,) = comparison.tables(comparison.rows(records))
    assert table.numeric == [False, True, True, True, True, True, True, False]
    assert grid(table).splitlines()[1] == "|---|---:|---:|---:|---:|---:|---:|---|"
