"""The leaderboard: scores relative to the baseline, and which architectures have a mean."""

import pytest

from benchmarks import metrics
from benchmarks.report import comparison, leaderboard


@pytest.fixture
def tables(run):
    """A function that makes the rows of experiments from a dict of accuracies by architecture."""

    def make(**experiments):
        return {
            f"sentiment/{name}": comparison.rows([run(*item) for item in values.items()])
            for name, values in experiments.items()
        }

    return make


@pytest.mark.parametrize(
    ("metric", "value", "reference", "score"),
    [
        ("accuracy", 0.9, 0.8, 0.5),
        ("accuracy", 0.7, 0.8, -0.5),
        ("bleu", 40, 20, 0.25),
        ("wer", 10, 40, 0.75),
        ("perplexity", 51, 101, 0.5),
        ("accuracy", 1, 0.8, 1),
        ("accuracy", 0.9, 1, None),  # nothing is left to avoid
        ("longest_gap", 100, 10, None),  # there is no longest gap of all
    ],
)
def test_a_score_is_the_part_of_the_error_that_is_avoided(metric, value, reference, score):
    assert metrics.get(metric).score(value, reference) == (
        score if score is None else pytest.approx(score)
    )


def test_the_best_mean_is_first_and_the_baseline_has_zero(tables):
    found = leaderboard.standings(
        tables(
            films={"baseline": 0.8, "rnn": 0.8, "gru": 0.9},
            plays={"baseline": 0.5, "rnn": 0.75, "gru": 0.75},
        )
    )
    assert {one.architecture: one.score for one in found} == pytest.approx(
        {"gru": 0.5, "rnn": 0.25, "baseline": 0}
    )
    assert [one.architecture for one in found] == ["gru", "rnn", "baseline"]


def test_an_architecture_that_lacks_a_task_has_no_mean_and_is_last(tables):
    *_, last = leaderboard.standings(
        tables(
            films={"baseline": 0.8, "rnn": 0.7, "gru": 0.7, "bilstm": 1.0},
            plays={"baseline": 0.5, "rnn": 0.4, "gru": 0.4},
        )
    )
    assert (last.architecture, last.score) == ("bilstm", None)
    assert last.values()["score/films"] == 1
    assert last.values()["tasks"] == 1
    assert "score/mean" not in last.values()
    assert "params/mean" not in last.values()


def test_a_task_of_one_architecture_or_without_a_baseline_does_not_rank(tables):
    found = leaderboard.standings(
        tables(
            films={"baseline": 0.8, "rnn": 0.7, "gru": 0.9},
            alone={"baseline": 0.5, "gru": 0.9},
            bare={"rnn": 0.5, "gru": 0.9},
        )
    )
    assert found[0].ranking == ["sentiment/films"]
    (rnn,) = (one for one in found if one.architecture == "rnn")
    assert rnn.score == pytest.approx(-0.5)
    assert rnn.values()["test/bare"] == 0.5
    assert "score/bare" not in rnn.values()


def test_what_is_logged_has_metric_interval_and_costs_of_each_task(run):
    rows = [
        run("baseline", 0.5),
        run("rnn", 0.5, predict_ms=2.0),
        run("gru", 0.75, predict_ms=1.5),
    ]
    best, *_ = leaderboard.standings({"translation/multi30k/de-en": comparison.rows(rows)})
    assert best.values() == {
        "tasks": 1,
        "score/multi30k.de-en": 0.5,
        "test/multi30k.de-en": 0.75,
        "test/multi30k.de-en_low": 0.625,
        "test/multi30k.de-en_high": 0.875,
        "params/multi30k.de-en": 1234,
        "train_seconds/multi30k.de-en": 2.5,
        "predict_ms/multi30k.de-en": 1.5,
        "score/mean": 0.5,
        "params/mean": 1234,
        "train_seconds/sum": 2.5,
        "predict_ms/mean": 1.5,
    }


def test_the_table_has_scores_values_and_intervals(tables):
    found = leaderboard.standings(tables(films={"baseline": 0.5, "rnn": 0.5, "gru": 0.75}))
    table = leaderboard.table("quick", found)
    assert table.headings == ["architecture", "mean score", "films"]
    assert table.rows[0] == ["gru", "0.500", "0.500 (accuracy 0.750, 0.625–0.875)"]


def test_the_conclusion_names_the_best_and_whether_it_beats_the_baseline(run):
    rows = comparison.rows([run("baseline", 0.5), run("rnn", 0.4), run("gru", 0.6)])
    assert comparison.conclusion(rows) == (
        "Best architecture: gru, accuracy 0.600. It beats the best baseline, baseline, 0.500."
    )
    rows = comparison.rows([run("baseline", 0.65), run("rnn", 0.5), run("gru", 0.6)])
    assert comparison.conclusion(rows) == (
        "Best architecture: gru, accuracy 0.600. This value is inside the 95 % interval of rnn. "
        "It doesn't beat the best baseline, baseline, 0.650."
    )


def test_a_baseline_is_noted_by_the_first_line_of_its_description(run):
    rows = comparison.rows(
        [run("baseline", 0.5, description="counts\n\nmore"), run("gru", 0.6, description="text")]
    )
    assert [row.note for row in rows] == ["counts", None]
