"""The step `climb`: when it goes on, when it gives up, what it logs, and how it resumes."""

import io
import types

import mlflow
import numpy as np
import pytest
import tensorflow_datasets as tfds
from rich.console import Console

from benchmarks import config, data, report
from benchmarks.recipes import fit
from benchmarks.run import run_suite
from benchmarks.tasks.memory import gradients
from benchmarks.tasks.memory.at_gap import AtGap
from benchmarks.tracking import store as runs
from zoo import datasets
from zoo.datasets.temporal_order import temporal_order_dataset_builder as order_builder

SUITE = """
architectures: [gru]
seeds: 1
tasks:
  temporal_order:
    task: memory
    dataset: temporal_order
    splits: {validation: validation_GAP, test: test_GAP}
    quality: 12
    model: {units: 4, num_layers: 1}
    recipe:
      - climb: {gaps: [10, 12, 14], epochs: 3, sequences: 20, seconds: 100, batch_size: 10,
                learning_rate: 0.01}
"""


@pytest.fixture
def load(tmp_path, monkeypatch, store):
    """`config.load` of a suite with one climb, on few sequences; an empty store is set up."""
    text, label = tfds.features.Text(), tfds.features.ClassLabel(names=order_builder.LABELS)
    info = types.SimpleNamespace(
        features=tfds.features.FeaturesDict({"symbols": text, "label": label}),
        redistribution_info=types.SimpleNamespace(license="CC0"),
        description="",
        splits={},
    )

    def read(builder, name):
        split, gap = name.split("_")
        generator = np.random.default_rng([len(split), int(gap)])
        return order_builder.draw(generator, 30, int(gap))

    monkeypatch.setattr(datasets, "builder", lambda name: types.SimpleNamespace(info=info))
    monkeypatch.setattr(datasets, "read", read)
    monkeypatch.setattr(datasets, "digest", lambda builder: "0" * 64)
    monkeypatch.setattr(gradients, "GAP", 12)
    data.load_task.cache_clear()
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    yield lambda **options: config.load(str(path), **options)
    data.load_task.cache_clear()


@pytest.fixture
def solve(monkeypatch):
    """A function that makes some gaps count as solved, whatever the accuracy."""

    def solve(*gaps):
        for name in ("is_solved", "is_clearly_solved"):
            monkeypatch.setattr(AtGap, name, lambda at, accuracy: at.gap in gaps)

    return solve


def run(configs):
    run_suite(configs, Console(file=io.StringIO(), width=120))


def the_run(configs, architecture="gru"):
    """The record of an architecture's finished run, and its curves."""
    (records,) = runs.finished(configs).values()
    (record,) = [r for r in records if r.tags["architecture"] == architecture]
    return record, runs.curves(record)


def history(record, name):
    metrics = mlflow.MlflowClient().get_metric_history(record.run_id, name)
    return [(metric.step, metric.value) for metric in metrics]


def test_the_next_gap_is_tried_when_the_last_one_was_solved(load, solve):
    solve(10)
    configs = load(chosen=["gru"])
    run(configs)
    record, curves = the_run(configs)
    assert list(curves["gap/accuracy"]) == [10, 12]
    # One epoch solves the first gap; all three are spent on the second.
    assert curves["gap/sequences"] == {10: 20, 12: 60}
    assert history(record, "val/longest_gap") == [(step, 10) for step in (1, 2, 3, 4)]
    assert record.metrics["best/val/longest_gap"] == 10
    assert record.metrics["best/epoch"] == 1
    assert "seconds_to_quality" not in record.metrics
    total = sum(curves["gap/seconds"].values())
    assert record.metrics["train_seconds"] == pytest.approx(total)
    artifacts = {file.path for file in mlflow.MlflowClient().list_artifacts(record.run_id)}
    assert {"gap_curve.png", "gradient_by_lag.png", "gates.png"} <= artifacts


def test_the_seconds_to_a_gap_include_those_of_shorter_gaps(load, solve):
    solve(10, 12, 14)
    configs = load(chosen=["gru"])
    run(configs)
    record, curves = the_run(configs)
    seconds = curves["gap/seconds"]
    assert list(seconds) == [10, 12, 14]
    to_quality = record.metrics["seconds_to_quality"]
    assert to_quality == pytest.approx(seconds[10] + seconds[12])


def test_a_gap_is_given_up_when_its_seconds_are_spent(load, solve):
    solve()
    (one,) = load(chosen=["gru"])
    hasty = one.recipe[0].model_copy(update={"seconds": 1e-6})
    configs = [one.model_copy(update={"recipe": (hasty,)})]
    run(configs)
    _, curves = the_run(configs)
    assert curves["gap/sequences"] == {10: 20}
    assert curves["gap/out_of_time"] == {10: 1}


def test_training_goes_on_until_a_gap_is_clearly_solved(load, monkeypatch):
    monkeypatch.setattr(AtGap, "is_solved", lambda at, accuracy: at.gap == 10)
    monkeypatch.setattr(AtGap, "is_clearly_solved", lambda at, accuracy: False)
    configs = load(chosen=["gru"])
    run(configs)
    _, curves = the_run(configs)
    assert curves["gap/sequences"] == {10: 60, 12: 60}
    assert curves["gap/out_of_time"] == {10: 0, 12: 0}


def test_a_killed_climb_resumes_at_its_gap(load, solve, monkeypatch):
    solve(10)
    configs = load(chosen=["gru"])
    run([configs[0].model_copy(update={"entry": "uninterrupted"})])
    begin, epochs = fit._Epochs.on_epoch_begin, []

    def killed(callback, epoch, logs=None):
        epochs.append(epoch)
        if len(epochs) == 3:  # the second epoch of the second gap
            raise KeyboardInterrupt
        begin(callback, epoch, logs)

    monkeypatch.setattr(fit._Epochs, "on_epoch_begin", killed)
    with pytest.raises(KeyboardInterrupt):
        run(configs)
    monkeypatch.setattr(fit._Epochs, "on_epoch_begin", begin)
    run(configs)
    resumed, curves = the_run(configs)
    assert resumed.tags["resumed"] == "1"
    whole, expected = the_run([configs[0].model_copy(update={"entry": "uninterrupted"})])
    for name in ("gap/accuracy", "gap/sequences", "lag/gradient"):
        assert curves[name] == expected[name]
    assert history(resumed, "val/loss") == history(whole, "val/loss")


def test_a_model_that_solved_a_gap_is_served(load, solve):
    solve(10)
    run(load(chosen=["gru"]))
    served = mlflow.pyfunc.load_model("models:/memory.temporal_order@champion")
    import pandas as pd

    (answer,) = served.predict(pd.DataFrame({"symbols": ["EaXbcdYbaB"]}))
    assert set(answer["probabilities"]) == set(order_builder.LABELS)


def test_reports_have_a_table_and_a_picture_of_the_gaps(load, solve, tmp_path, monkeypatch):
    solve(10)
    monkeypatch.setattr(report.files, "RESULTS", tmp_path / "results")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- best:begin --><!-- best:end --><!-- speed:begin --><!-- speed:end -->")
    monkeypatch.setattr(report.files, "README", readme)
    run(load())
    report.results.write(str(tmp_path / "small.yaml"))
    assert "| gru | 0 |" in (tmp_path / "results" / "small.md").read_text()
    text = (tmp_path / "results" / "small_gaps.md").read_text()
    assert "| architecture | 10 | 12 |" in text
    assert "small_gaps.png" in text
    picture = (tmp_path / "results" / "small_gaps.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("gaps: [10, 12, 14]", "gaps: [10, 14, 12]", "`gaps` must increase"),
        ("learning_rate", "monitor: loss, learning_rate", "`monitor` must be accuracy"),
        ("validation_GAP", "validation_10", "the split validation must contain the word GAP"),
        ("      - climb", "      - climb: {gaps: [10], epochs: 1, sequences: 9, seconds: 1, "
         "batch_size: 1, learning_rate: 1}\n      - climb", "no step can come before it"),
    ],
)  # fmt: skip
def test_a_wrong_climb_is_an_error_that_says_why(tmp_path, before, after, message):
    path = tmp_path / "wrong.yaml"
    path.write_text(SUITE.replace(before, after, 1))
    with pytest.raises(config.ConfigError, match=message):
        config.load(str(path))
