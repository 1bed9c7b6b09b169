"""A new suite for one's own data."""

import pytest

from benchmarks import __main__ as command_line
from benchmarks import config, data, new_suite
from zoo.datasets import cache


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "folder", lambda name: tmp_path)
    data.load_task.cache_clear()


@pytest.fixture
def reviews(tmp_path):
    folder = tmp_path / "my reviews"
    folder.mkdir()
    rows = [f"a {word} film number {n},{word}" for n in range(30) for word in ("good", "bad")]
    (folder / "train.csv").write_text("\n".join(["text,label", *rows]))
    return folder


def new(path, task, data):
    return command_line.main(["new", str(path), "--task", task, "--data", str(data)])


def test_the_new_suite_is_the_entry_of_quick_with_the_data(tmp_path, reviews):
    path = tmp_path / "my.yaml"
    assert new(path, "sentiment", reviews) == 0
    runs = config.load(str(path))
    expected = config.load("quick", tasks=["sentiment"])
    assert [run.architecture for run in runs] == ["baseline", "rnn", "lstm", "gru"]
    assert [run.model for run in runs] == [run.model for run in expected]
    assert [run.recipe for run in runs] == [run.recipe for run in expected]
    assert {run.dataset for run in runs} == {str(reviews)}
    assert "# SentencePiece subwords" in path.read_text()


@pytest.mark.parametrize("expected", {run.task: run for run in config.load("quick")}.values())
def test_every_task_kind_of_quick_can_be_copied(tmp_path, expected):
    path = tmp_path / "my.yaml"
    path.write_text(new_suite.text_of(path, expected.task, "my: folder #1"))
    (*_, run) = config.load(str(path))
    assert run.entry == expected.task
    assert run.dataset == "my: folder #1"
    assert run.splits == config.Splits()
    assert (run.task, run.model, run.recipe) == (expected.task, expected.model, expected.recipe)


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("my.txt", "sentiment", "A suite is a file that ends with .yaml"),
        ("my.yaml", "sentimental", "Did you mean 'sentiment'?"),
        ("my.yaml", "speech", "has no feature 'frames', which speech needs"),
    ],
)
def test_nothing_is_written_unless_the_data_suits_the_task(
    tmp_path, reviews, capsys, name, task, message
):
    assert new(tmp_path / name, task, reviews) == 2
    assert message in " ".join(capsys.readouterr().out.split())
    assert not (tmp_path / name).exists()


def test_an_existing_suite_is_not_overwritten(tmp_path, reviews, capsys):
    path = tmp_path / "my.yaml"
    path.write_text("mine")
    assert new(path, "sentiment", reviews) == 2
    assert "exists" in capsys.readouterr().out
    assert path.read_text() == "mine"


def test_data_that_cannot_be_read_is_an_error(tmp_path, capsys):
    assert new(tmp_path / "my.yaml", "sentiment", tmp_path) == 2
    assert "holds no data in a known layout" in " ".join(capsys.readouterr().out.split())
