"""A new task kind is files of its own and registry lines: all else works for it as it is.

`tests/new_kind` holds its model folder, its module of benchmarks and its layout of own data.
"""

import base64
import importlib
import json
import shutil
import sys
import zlib

import mlflow
import numpy as np
import pytest

import zoo
from benchmarks import __main__ as command_line
from benchmarks import data, metrics
from benchmarks.report import files as results
from benchmarks.tasks import TASKS
from benchmarks.tracking import store
from zoo import cli, export, pretrained
from zoo.datasets.layouts import LAYOUTS
from zoo.models import protocol

SUITE = """
architectures: [gru, rnn]
seeds: 1
tasks:
  summing:
    dataset: {folder}
    preset: sums
    quality: 0.01
    model: {{units: 6}}
    recipe:
      - fit: {{epochs: 6, batch_size: 8, learning_rate: 0.03, monitor: squared_error}}
"""


@pytest.fixture(scope="module")
def kind():
    """The new kind, registered by its lines and forgotten afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "_models", dict(protocol._models))
        patch.setattr(metrics, "_metrics", dict(metrics._metrics))
        model, task, layout = (
            importlib.import_module(f"new_kind.{name}") for name in ("model", "task", "layout")
        )
        patch.setitem(TASKS, "summing", task.Summing)
        LAYOUTS.append(layout.Numbers())
        yield model
        LAYOUTS.pop()
    for name in [name for name in sys.modules if name.startswith("new_kind")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder of numbers and their sums."""
    folder = tmp_path_factory.mktemp("own") / "sums"
    folder.mkdir()
    random = np.random.default_rng(0)
    for split, count in {"train": 80, "validation": 20, "test": 30}.items():
        rows = [random.uniform(-1, 1, random.integers(1, 6)) for _ in range(count)]
        lines = [f"{' '.join(f'{x:.3f}' for x in row)} = {row.sum():.3f}\n" for row in rows]
        (folder / f"{split}.numbers").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def ran(kind, folder, tmp_path_factory):
    """The project after `make bench` and `make presets` of a suite of the new kind."""
    root = tmp_path_factory.mktemp("project")
    suite = root / "mine.yaml"
    suite.write_text(SUITE.format(folder=folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_DATA_DIR", str(root / "cache"))
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root / 'mlflow.db'}")
        patch.setattr(mlflow, "enable_system_metrics_logging", lambda: None)
        mlflow.disable_system_metrics_logging()
        patch.setattr(store, "LOCAL_STORE", root / "mlruns")
        patch.chdir(root)
        shutil.copytree(results.RESULTS, root / "results")
        shutil.copy(results.README, root)
        patch.setattr(results, "RESULTS", root / "results")
        patch.setattr(results, "README", root / "README.md")
        patch.setattr(pretrained, "PRESETS", root / "presets")
        pretrained.PRESETS.mkdir()
        data.load_task.cache_clear()
        assert command_line.main(["run", "--suite", str(suite)]) == 0
        patch.setattr("benchmarks.config.files.SUITES", root)
        assert command_line.main(["presets", "--suite", "mine"]) == 0
        yield suite
        data.load_task.cache_clear()


def runs():
    experiment = mlflow.get_experiment_by_name("summing/sums")
    return {
        run.data.tags["architecture"]: run
        for run in mlflow.search_runs([experiment.experiment_id], output_format="list")
    }


def test_the_best_epoch_and_the_champion_are_those_of_the_least_error(ran):
    found = runs()
    client = mlflow.MlflowClient()
    for architecture in ("gru", "rnn"):
        run = found[architecture]
        history = [m.value for m in client.get_metric_history(run.info.run_id, "val/squared_error")]
        assert run.data.metrics["best/val/squared_error"] == min(history)
        assert run.data.metrics["best/epoch"] == 1 + np.argmin(history)
        reached = any(value <= 0.01 for value in history)
        assert ("seconds_to_quality" in run.data.metrics) == reached
    best = min(("gru", "rnn"), key=lambda name: found[name].data.metrics["best/val/squared_error"])
    champion = client.get_model_version_by_alias("summing.sums", "champion")
    assert champion.run_id == found[best].info.run_id
    baseline = found["baseline"].data.metrics
    assert (
        baseline["test/squared_error_low"]
        < baseline["test/squared_error"]
        < baseline["test/squared_error_high"]
    )


def test_the_charts_are_of_its_metric(ran):
    experiment = mlflow.get_experiment_by_name("summing/sums")
    state = json.loads(experiment.tags["mlflow.sharedViewState.mine"])["state"]
    view = json.loads(zlib.decompress(base64.b64decode(state.removeprefix("deflate;"))))
    names = [chart["metricKey"] for chart in view["compareRunCharts"] if "metricKey" in chart]
    learning = ["val/squared_error", "val/loss", "train/squared_error", "train/loss"]
    assert names == ["test/squared_error", *learning]
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`test/squared_error`", True)


def test_its_runs_hold_gates_and_a_model_that_is_served(ran):
    run = runs()["gru"]
    artifacts = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"gates.png", "learning_curve.png"} <= artifacts
    import pandas as pd

    served = mlflow.pyfunc.load_model("models:/summing.sums@champion")
    (answer,) = served.predict(pd.DataFrame({"numbers": [[0.5, 0.25]]}))
    assert answer == zoo.load("models:/summing.sums@champion").answers([[0.5, 0.25]])[0]


def test_its_tables_and_presets_have_its_metric(ran, capsys):
    assert command_line.main(["report", "--suite", str(ran)]) == 0
    table = capsys.readouterr().out
    assert "test squared_error" in table
    assert f"{runs()['baseline'].data.metrics['test/squared_error']:.4f}" in table
    card = zoo.card("sums_gru")
    assert (card.task, card.metric) == ("summing", "squared_error")
    assert f"{card.value:.4f}" in (results.RESULTS / "pretrained.md").read_text()
    measured = ran.parent / "measured.yaml"
    measured.write_text("presets: 'sums_*'")
    assert command_line.main(["run", "--suite", str(measured)]) == 0


def test_the_command_line_answers(ran, capsys):
    assert cli.main(["predict", "sums_gru", "0.5 0.25", "-1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert cli.main(["predict", "sums_gru", "0.5 0.25", "-1", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["input"] for answer in answers] == ["0.5 0.25", "-1"]
    assert lines == [f"{answer['sum']:.2f}" for answer in answers]
    assert cli.main(["list"]) == 0
    assert "summing" in capsys.readouterr().out


def test_inputs_are_held_and_refused_as_those_of_every_model(ran):
    import tensorflow as tf

    model = zoo.load("sums_gru")
    rows = [[0.5, 0.25], [-1.0], [1.0, 0.5, 0.25]]
    sums = lambda inputs: [answer["sum"] for answer in model.answers(inputs)]
    expected = [sums([row])[0] for row in rows]
    ragged = tf.ragged.constant(rows)
    for held in (rows, ragged, tf.data.Dataset.from_tensor_slices(ragged).batch(2)):
        assert sums(held) == pytest.approx(expected, abs=1e-6)
    assert sums([]) == []
    model.compile()
    pairs = tf.data.Dataset.from_tensor_slices((ragged, expected)).batch(3)
    losses = [*model.evaluate(pairs, verbose=0), *model.evaluate(rows, expected, verbose=0)]
    assert losses == pytest.approx([0] * 4, abs=1e-9)
    for wrong in ([None], ["0.5"], [[[1]]], [[]], [[float("nan")]]):
        with pytest.raises(protocol.InputError, match="must be"):
            model.answers(wrong)
    with pytest.raises(ValueError, match="LoRA would leave nothing to train"):
        model.backbone.enable_lora(2)


def test_its_gates_and_its_export(ran, tmp_path):
    import tensorflow as tf

    model = zoo.load("sums_gru")
    numbers = np.array([0.5, 0.25, -1], "float32")
    (gates,) = zoo.gates(model, numbers)
    assert gates.steps == ["0", "1", "2"]
    assert list(gates.values) == ["z", "r", "h_tilde", "h"]
    export.export(model, tmp_path / "saved", "savedmodel")
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    served = loaded.serve(model.preprocessor([numbers]))
    assert float(served[0, 0]) == pytest.approx(model.answers([numbers])[0]["sum"], abs=1e-6)


def test_its_ensembles(ran, tmp_path):
    members = [zoo.load("sums_gru"), zoo.load("sums_rnn")]
    together = zoo.models.ensemble(members)
    numbers = [np.array([0.5, 0.25], "float32")]
    mean = np.mean([member.answers(numbers)[0]["sum"] for member in members])
    assert together.answers(numbers)[0]["sum"] == pytest.approx(mean, rel=1e-5)
    together.save_to_preset(str(tmp_path / "preset"))
    assert zoo.load(str(tmp_path / "preset"), verify=False).answers(numbers) == together.answers(
        numbers
    )
