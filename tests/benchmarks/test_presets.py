"""Presets: exported from runs in half precision, and measured against their cards."""

import shutil
from pathlib import Path

import h5py
import keras
import mlflow
import numpy as np
import pytest

import zoo
from benchmarks import __main__ as command_line
from benchmarks import data, presets
from benchmarks.config import files
from benchmarks.report import files as results
from benchmarks.tasks import TASKS
from zoo import datasets, pretrained


@pytest.fixture(autouse=True)
def _temporary_project(tmp_path, monkeypatch):
    """Redirects what commands write into the project to a temporary folder."""
    marks = "".join(f"<!-- {name}:begin --><!-- {name}:end -->\n" for name in ("best", "speed"))
    (tmp_path / "README.md").write_text(marks)
    (tmp_path / "results").mkdir()
    for file in results.RESULTS.glob("*.csv"):
        shutil.copy(file, tmp_path / "results")
    monkeypatch.setattr(results, "README", tmp_path / "README.md")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")


@pytest.fixture
def measured(suite, tmp_path, monkeypatch, capsys):
    """The path of a suite that measures a preset, which a small run has made."""
    monkeypatch.setattr(pretrained, "PRESETS", tmp_path / "presets")
    pretrained.PRESETS.mkdir()
    arguments = ["--suite", suite, "--task", "speech", "--arch", "gru"]
    assert command_line.main(["run", *arguments]) == 0
    monkeypatch.setattr(files, "SUITES", tmp_path)
    assert command_line.main(["presets", "--suite", "small"]) == 0
    path = tmp_path / "measure.yaml"
    path.write_text("presets: 'tones_*'\n")
    capsys.readouterr()
    return str(path)


def test_a_suite_of_ones_own_writes_where_it_is_told(suite, tmp_path, monkeypatch, capsys):
    before = {path: path.read_bytes() for path in (tmp_path / "results").iterdir()}
    readme = (tmp_path / "README.md").read_text()
    assert command_line.main(["run", "--suite", suite, "--task", "speech", "--arch", "gru"]) == 0
    assert command_line.main(["presets", "--suite", suite]) == 2
    assert "OUT=models" in " ".join(capsys.readouterr().out.split())
    out = tmp_path / "my" / "models"
    assert command_line.main(["presets", "--suite", suite, "--out", str(out)]) == 0
    assert f'zoo.load("{out / "tones_gru"}")' in capsys.readouterr().out
    assert zoo.card(str(out / "tones_gru")).licence == "not stated"
    assert zoo.load(str(out / "tones_gru")).labels == ["low", "middle", "high"]
    assert "tones_gru" not in zoo.list_presets()
    assert {path: path.read_bytes() for path in (tmp_path / "results").iterdir()} == before
    assert (tmp_path / "README.md").read_text() == readme


def test_a_half_precision_preset_matches_its_card(measured, capsys):
    assert zoo.list_presets() == ["tones_gru"]
    with h5py.File(pretrained.PRESETS / "tones_gru" / "model.weights.h5") as file:
        types = []
        file.visititems(lambda _, item: types.append(getattr(item, "dtype", None)))
    assert np.float16 in types
    assert np.float32 not in types
    assert zoo.load("tones_gru").dtype == "float32"
    assert command_line.main(["run", "--suite", measured]) == 0
    assert "tones_gru: accuracy" in capsys.readouterr().out


def test_a_preset_of_a_run_in_mixed_precision_has_float32(suite, tmp_path, capsys):
    path = Path(suite)
    path.write_text("dtype: mixed_bfloat16" + path.read_text())
    arguments = ["--suite", suite, "--task", "speech", "--arch", "gru"]
    assert command_line.main(["run", *arguments]) == 0
    assert keras.config.dtype_policy().name == "float32"
    (run,) = mlflow.search_runs(experiment_names=["speech/tones"], output_format="list")
    assert run.data.params["dtype"] == "mixed_bfloat16"
    assert command_line.main(["presets", "--suite", suite, "--out", str(tmp_path / "out")]) == 0
    model = zoo.load(str(tmp_path / "out" / "tones_gru"))
    policies = {layer.dtype_policy.name for layer in model._flatten_layers()}
    assert policies == {"float32"}
    capsys.readouterr()


def test_presets_are_measured_on_further_data_too(measured, tmp_path, capsys):
    path = tmp_path / "further.yaml"
    path.write_text("{presets: '*', also: {tones: 'tones_*', echo: 'bells_*'}}")
    assert command_line.main(["run", "--suite", str(path)]) == 0
    printed = capsys.readouterr().out
    assert f"on tones: {zoo.card('tones_gru').value:.4g}" in printed
    assert "on echo" not in printed
    assert zoo.card("tones_gru").elsewhere == {}
    assert command_line.main(["presets", "--suite", "further"]) == 0
    card = zoo.card("tones_gru")
    assert card.elsewhere == {"tones": pytest.approx(card.value)}
    assert 0 < card.details["macro_f1"] <= 1


def test_presets_are_measured_quantized(measured, tmp_path, capsys, monkeypatch):
    loaded = []
    load = lambda *args: loaded.append(pretrained_load(*args)) or loaded[-1]
    pretrained_load = pretrained.load
    monkeypatch.setattr(pretrained, "load", load)
    path = tmp_path / "quantized.yaml"
    path.write_text("{presets: '*', quantize: int8, tolerances: {accuracy: 1}}")
    assert command_line.main(["run", "--suite", str(path)]) == 0
    assert "tones_gru: accuracy" in capsys.readouterr().out
    (model,) = loaded
    assert "int8" in {weight.dtype for weight in model.weights}


def test_the_results_have_a_row_per_preset(measured):
    card = zoo.card("tones_gru")
    text = (results.RESULTS / "pretrained.md").read_text()
    (row,) = (line for line in text.splitlines() if "tones_gru" in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:2] == ["tones_gru", "small"]
    assert f"{card.value:.3f}" in cells
    assert f"{card.parameters:,}" in cells


def test_a_preset_of_another_dataset_is_not_replaced(measured, capsys):
    card = zoo.card("tones_gru")
    path = pretrained.PRESETS / "tones_gru" / "card.json"
    path.write_text(path.read_text().replace('"dataset": "tones"', '"dataset": "bells"'))
    before = path.read_text()
    assert command_line.main(["presets", "--suite", "small"]) == 2
    printed = " ".join(capsys.readouterr().out.split())
    assert "'tones_gru' already exists for the dataset bells" in printed
    assert path.read_text() == before
    assert card.sha256 == pretrained.digests(path.parent)


def test_no_preset_is_made_after_the_data_changed(measured, capsys, monkeypatch):
    before = zoo.card("tones_gru")
    monkeypatch.setattr(datasets, "digest", lambda builder: "1" * 64)
    data.load_task.cache_clear()
    assert command_line.main(["presets", "--suite", "small"]) == 2
    assert "has changed since the run of gru" in capsys.readouterr().out
    assert zoo.card("tones_gru") == before


def test_a_preset_has_the_current_name_of_the_suite(measured, tmp_path):
    path = tmp_path / "small.yaml"
    path.write_text(path.read_text().replace("dataset: tones", "dataset: tones\n    preset: bells"))
    assert command_line.main(["presets", "--suite", "small"]) == 0
    assert zoo.list_presets() == ["bells_gru", "tones_gru"]


def test_without_finished_runs_there_are_no_presets(suite, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(pretrained, "PRESETS", tmp_path / "presets")
    monkeypatch.setattr(files, "SUITES", tmp_path)
    assert command_line.main(["presets", "--suite", "small"]) == 2
    assert "run make bench first" in capsys.readouterr().out


def test_a_preset_that_differs_from_its_card_is_an_error(measured, capsys, monkeypatch):
    accuracy = zoo.card("tones_gru").value

    def evaluate(task, model, config):
        evaluation = original(task, model, config)
        return type(evaluation)(**{**evaluation.__dict__, "value": accuracy - 0.1})

    task = TASKS["speech"]
    original = task.evaluate
    monkeypatch.setattr(task, "evaluate", evaluate)
    assert command_line.main(["run", "--suite", measured]) == 1
    assert f"the card says {accuracy:.4g}" in capsys.readouterr().out


def test_a_preset_of_a_removed_suite_does_not_stop_the_others(measured, tmp_path, capsys):
    shutil.copytree(pretrained.PRESETS / "tones_gru", pretrained.PRESETS / "tones_a")
    path = pretrained.PRESETS / "tones_a" / "card.json"
    path.write_text(path.read_text().replace('"suite": "small"', '"suite": "gone"'))
    assert command_line.main(["run", "--suite", measured]) == 1
    printed = capsys.readouterr().out
    assert "tones_a: not measured. Unknown suite 'gone'" in printed
    assert "tones_gru: accuracy" in printed


def test_halving_keeps_integers_groups_and_attributes(tmp_path):
    path = tmp_path / "a.weights.h5"
    values = np.random.default_rng(0).normal(size=(200, 100)).astype("float32")
    with h5py.File(path, "w") as file:
        file["layer/vars/0"] = values
        file["layer/vars/1"] = np.arange(3)
        file.create_group("nothing")
        file.attrs["name"] = "model"
    before = path.stat().st_size
    presets.halve(path)
    assert path.stat().st_size < 0.6 * before
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["layer/vars/0"][()], values.astype("float16"))
        np.testing.assert_array_equal(file["layer/vars/1"][()], np.arange(3))
        assert "nothing" in file
        assert file.attrs["name"] == "model"
    assert list(tmp_path.glob("*.h5*")) == [path]
