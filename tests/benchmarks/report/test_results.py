"""Result files: from MLflow to CSV, and from CSV to Markdown and the README."""

import io
import types

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.report import comparison, files, gaps, layers
from benchmarks.tracking import store


@pytest.fixture
def runs(monkeypatch):
    """A function that sets the finished runs of the store."""

    def has(experiments):
        monkeypatch.setattr(store, "finished", lambda configs: experiments)
        monkeypatch.setattr(store, "latest", lambda suite: experiments)

    return has


def lines(name):
    return (files.RESULTS / f"{name}.csv").read_text(encoding="utf-8").splitlines()


def test_rows_survive_writing_and_reading(results, run, timing):
    baseline = run("baseline", 0.5, description="counts, and a comma")
    compared = comparison.rows([baseline, run("gru", 0.5, predict_ms=1.5), run("gru", 0.5)])
    timed = layers.rows("layers/gru", [timing("zoo", 2.0), timing("keras", 1.0)])
    for rows in (compared, timed):
        files.write("one", rows)
        assert files.read("one") == rows


def test_numbers_have_six_significant_digits(results, run):
    files.write("one", comparison.rows([run("gru", 1 / 3)]))
    assert ",0.333333,," in lines("one")[1]


def test_markdown_is_rendered_only_from_the_csv(results, run):
    path = files.write("one", comparison.rows([run("gru", 0.5)]))
    assert path.read_text(encoding="utf-8") == files.render("one")
    csv = files.RESULTS / "one.csv"
    csv.write_text(csv.read_text().replace("0.5,", "0.25,"))
    assert "| gru | 0.250 |" in files.render("one")


def test_a_report_writes_csv_markdown_and_readme(results, run, runs):
    runs({"sentiment/films": [run("baseline", 0.8), run("rnn", 0.6), run("gru", 0.7)]})
    written = report.results.write("quick")
    assert written == [results / "quick.csv", results / "quick.md", files.README]
    readme = files.README.read_text(encoding="utf-8")
    assert "| sentiment | films | accuracy | gru 0.700 | **0.800** | – |" in readme
    assert "wins on films (0.800 against 0.700)." in readme
    assert "old" not in readme
    assert readme.startswith("first\n")
    assert readme.endswith("last\n")


def test_what_has_no_local_runs_is_kept(results, run, runs):
    one, other = (
        {f"sentiment/films/{entry}": [run("gru", 0.5, entry=entry), run("rnn", 0.4, entry=entry)]}
        for entry in ("one", "other")
    )
    runs(one | other)
    report.results.write("quick")
    before = lines("quick")
    runs({"sentiment/films/one": [run("lstm", 0.75, entry="one")]})
    report.results.write("quick")
    after = lines("quick")
    assert [line.split(",")[2:4] for line in after[1:]] == [
        ["one", "rnn"],
        ["one", "lstm"],
        ["one", "gru"],
        ["other", "rnn"],
        ["other", "gru"],
    ]
    assert [line for line in after if ",lstm," not in line] == before


def test_fewer_seeds_do_not_replace_more(results, run, runs):
    experiment = "sentiment/films"
    runs({experiment: [run("gru", 0.5), run("gru", 0.6), run("rnn", 0.4)]})
    report.results.write("quick")
    before = lines("quick")
    runs({experiment: [run("gru", 0.9), run("rnn", 0.45)]})
    report.results.write("quick")
    after = lines("quick")
    assert [line for line in after if ",gru," in line] == [
        line for line in before if ",gru," in line
    ]
    assert [line for line in after if ",rnn," in line] != [
        line for line in before if ",rnn," in line
    ]


def test_without_finished_runs_nothing_is_written(results, runs):
    runs({})
    assert report.results.write("quick") == []
    assert not results.exists()


def test_only_curves_of_climbs_are_gaps(monkeypatch):
    record = types.SimpleNamespace(
        tags={"task": "a", "dataset": "b", "entry": "a", "architecture": "gru", "seed": "0"}
    )
    found = {"context/perplexity": {0: 35.0, 4: 33.0}}
    monkeypatch.setattr(gaps.store, "curves", lambda record: found)
    assert gaps.rows([record]) == []
    found["gap/solved"] = {10: 1.0}
    assert {row.curve for row in gaps.rows([record])} == found.keys()


def test_layer_timings_are_written(results, timing, runs):
    record = timing("zoo", 2.0, shapes=("1x2x3x4", "5x6x7x8"))
    record.metrics["training_speedup/5x6x7x8"] = 3.0
    runs({"layers/lstm": [record]})
    report.results.write("layers")
    assert "| training | zoo | 2.00 ± 0.25 | 3.00 ± 0.25 |" in (results / "layers.md").read_text()
    readme = files.README.read_text()
    assert "trains 2.0 to 3.0 times as fast as `keras.layers.LSTM` (2 shapes, 2 threads" in readme


def test_the_suite_of_presets_writes_their_cards(results):
    assert report.results.write("pretrained")[0] == results / "pretrained.csv"
    start = "imdb_bilstm,standard,sentiment,imdb_reviews,bilstm,"
    assert [line for line in lines("pretrained") if line.startswith(start)]


def test_a_file_with_unexpected_columns_is_an_error(results, run):
    results.mkdir()
    (results / "quick.csv").write_text("name,value\nx,1\n")
    with pytest.raises(ValueError, match=r"make report SUITE=quick\. Received: name, value"):
        files.read("quick")


def test_a_readme_without_marks_is_an_error_and_unchanged(results, run, runs):
    files.README.write_text("no marks")
    runs({"sentiment/films": [run("gru", 0.5)]})
    with pytest.raises(ValueError, match="lacks the marks <!-- best:begin -->"):
        report.results.write("quick")
    assert files.README.read_text() == "no marks"


def test_no_temporary_files_are_left(results, run):
    files.write("one", comparison.rows([run("gru", 0.5)]))
    assert sorted(path.name for path in results.iterdir()) == ["one.csv", "one.md"]


def test_tables_are_printed_with_their_titles_and_footnotes(run):
    console = Console(file=io.StringIO(), width=160)
    report.print_tables(comparison.tables(comparison.rows([run("gru", 0.5)])), console)
    printed = console.file.getvalue()
    assert "sentiment/films" in printed
    assert "accuracy of 100 examples" in printed
    assert "0.375–0.625" in printed
