"""The generated tables of the guides: the architectures of a task side by side."""

from benchmarks.report import comparison, files, guides

MARKS = "# Sentiment\n\n<!-- sentiment:begin -->\n\n<!-- sentiment:end -->\n\nAfter.\n"


def test_a_guide_has_a_line_for_each_experiment_of_its_task(results, run):
    rows = comparison.rows([run("baseline", 0.5), run("lstm", 0.6), run("bigru", 0.7)])
    files.write("quick", rows)
    of_three = run("gru", 0.8, entry="three", params={"ensemble.members": "3"})
    files.write("standard", comparison.rows([of_three]))
    guide = files.RESULTS.parent / "sentiment.md"
    guide.write_text(MARKS)
    assert guides.update() == [guide]
    lines = guide.read_text().splitlines()
    assert lines[4:8] == [
        "| data | metric | baseline | rnn | lstm | gru | other |",
        "|---|---|---:|---:|---:|---:|---|",
        "| films | accuracy | 0.500 | – | 0.600 | – | bigru **0.700** |",
        "| films/three | accuracy | – | – | – | – | 3 × gru **0.800** |",
    ]
    assert lines[-1] == "After."


def test_marks_of_anything_but_a_task_are_left_alone(results, run):
    files.write("quick", comparison.rows([run("gru", 0.7)]))
    guide = files.RESULTS.parent / "other.md"
    guide.write_text(MARKS.replace("sentiment:", "best:"))
    assert guides.update() == []
    assert guide.read_text() == MARKS.replace("sentiment:", "best:")
