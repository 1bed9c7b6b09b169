"""The generated parts of the README: best architecture, baseline and preset of each task."""

from benchmarks.report import comparison, files, presets, readme


def cells(text):
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ][1:]


def test_the_better_of_architecture_and_baseline_is_bold(results, run):
    won = [run("baseline", 0.5), run("rnn", 0.6), run("gru", 0.7)]
    lost = [run(name, value, entry="hard") for name, value in [("baseline", 0.9), ("rnn", 0.6)]]
    lost.append(run("gru", 0.55, entry="hard"))
    files.write("quick", comparison.rows(won) + comparison.rows(lost))
    text = readme.best()
    assert [row[:5] for row in cells(text)] == [
        ["sentiment", "films", "accuracy", "gru **0.700**", "0.500"],
        ["sentiment", "films, hard", "accuracy", "rnn 0.600", "**0.900**"],
    ]
    assert text.endswith("wins on films, hard (0.900 against 0.600).")


def test_an_experiment_with_one_architecture_has_no_row(results, run):
    rows = comparison.rows([run("baseline", 0.5), run("gru", 0.7)])
    files.write("standard", rows)
    assert cells(readme.best()) == []


def test_the_preset_is_the_best_one_and_the_smallest_among_equals(results, run):
    row = presets.rows()[0].model_copy(update={"task": "sentiment", "dataset": "films"})
    found = [
        row.model_copy(update={"preset": name, "value": value, "parameters": parameters})
        for name, value, parameters in [("a", 0.8, 10), ("b", 0.9, 30), ("c", 0.9, 20)]
    ]
    files.write("pretrained", found)
    records = [run("baseline", 0.5), run("rnn", 0.6), run("gru", 0.7)]
    of_entry = lambda entry: comparison.rows(
        [run(record.tags["architecture"], 0.5, entry=entry) for record in records]
    )
    files.write("standard", of_entry("sentiment") + of_entry("hard"))
    assert [row[-1] for row in cells(readme.best())] == ["c 0.900", "–"]
    files.write("standard", of_entry("films"))
    assert [row[-1] for row in cells(readme.best())] == ["c 0.900"]


def test_without_results_the_parts_say_so(results):
    assert readme.best() == "There are no results yet."
    assert readme.speed() == "Its speed has not been measured yet."
