"""Migration: after the command, runs are found and presets load again."""

import io
import json

import mlflow
import numpy as np
import pytest
from rich.console import Console

import zoo
from benchmarks import __main__ as command_line
from benchmarks import config
from benchmarks.migration import presets
from benchmarks.tracking import store as runs
from zoo import models, pretrained

SPEECH = {  # parameters of a run in the format before recipes had steps
    "suite": "standard",
    "entry": "speech",
    "task": "speech",
    "dataset": "spoken_digit",
    "splits.train": r"_([5-9]|[1-3]\d|4[0-4])\.wav$",
    "splits.validation": r"_4[5-9]\.wav$",
    "splits.test": r"_[0-4]\.wav$",
    "splits.feature": "audio/filename",
    "features": "()",
    "preset": "spoken_digit",
    "architecture": "gru",
    "seed": "0",
    "quality": "0.95",
    "model.features": "log_mel",
    "model.feature_dim": "40",
    "model.units": "96",
    "model.bidirectional": "False",
    "model.num_layers": "1",
    "model.pooling": "max",
    "model.dropout": "0.3",
    "model.noise": "0.3",
    "model.shift": "0.2",
    "model.frame_dropout": "0.1",
    "model.speed": "0.05",
    "model.min_frequency": "20.0",
    "model.mean_normalization": "0.0",
    "model.root_compression": "0.0",
    "model.deltas": "False",
    "training.epochs": "40",
    "training.batch_size": "32",
    "training.learning_rate": "0.003",
    "training.warmup_epochs": "1.0",
    "training.clip_norm": "1.0",
    "training.monitor": "loss",
    "training.members": "1",
    "training.self_training": "0",
}
SELF_TRAINED = {
    "suite": "standard",
    "entry": "sentiment_self_trained",
    "task": "sentiment",
    "dataset": "imdb_reviews",
    "splits.train": "train[:90%]",
    "splits.validation": "train[90%:]",
    "splits.test": "test",
    "splits.unlabelled": "unsupervised",
    "features": "()",
    "preset": "imdb_self_trained",
    "architecture": "bilstm",
    "seed": "0",
    "quality": "0.85",
    "model.vocabulary_size": "20000",
    "model.embedding_dim": "128",
    "model.units": "128",
    "model.bidirectional": "False",
    "model.num_layers": "1",
    "model.pooling": "mean",
    "model.dropout": "0.2",
    "model.token_dropout": "0.2",
    "model.max_length": "1000",
    "model.embedding_window": "0",
    "model.pretraining_epochs": "2",
    "model.pretraining_window": "10",
    "model.adversarial_norm": "4.0",
    "model.ngram_order": "4",
    "model.ngram_count": "400000",
    "training.epochs": "3",
    "training.batch_size": "32",
    "training.learning_rate": "0.002",
    "training.warmup_epochs": "0.2",
    "training.clip_norm": "1.0",
    "training.monitor": "accuracy",
    "training.members": "1",
    "training.self_training": "1",
}
SUITE = """
based_on: standard
tasks:
  speech:
    model:
      front_end: log_mel
      feature_dim: 40
      min_frequency: 20
      deltas: false
      units: 96
      dropout: 0.3
      noise: 0.3
      shift: 0.2
      frame_dropout: 0.1
      speed: 0.05
      others: 0
    recipe:
      - fit: {epochs: 40, batch_size: 32, learning_rate: 0.003, warmup_epochs: 1}
  sentiment_self_trained:
    based_on: sentiment
    preset: imdb_self_trained
    architectures: [bilstm]
    dtype: float32
    model: {vocabulary_size: 20000, units: 128}
    recipe:
      - pretrain: {epochs: 2}
      - adversarial:
          norm: 4
          epochs: 3
          batch_size: 32
          learning_rate: 0.002
          warmup_epochs: 0.2
          monitor: accuracy
      - ensemble: {ngrams: {order: 4, count: 400000}}
      - pseudo_label: {}
"""  # which trains what those runs trained


def old_run(experiment, params, **tags):
    """Logs a finished run in the format of an older version."""
    found = mlflow.get_experiment_by_name(experiment)
    experiment = found.experiment_id if found else mlflow.create_experiment(experiment)
    names = ("suite", "task", "architecture", "seed")
    tags = {**{name: params[name] for name in names if name in params}, **tags}
    with mlflow.start_run(experiment_id=experiment, tags=tags):
        mlflow.log_params(params)


def migrated():
    """Migrates and returns the printed text."""
    from benchmarks import migration

    console = Console(file=io.StringIO(), width=200)
    migration.migrate(console)
    return console.file.getvalue()


@pytest.fixture
def no_presets(store, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "PRESETS", tmp_path / "presets")
    pretrained.PRESETS.mkdir()


@pytest.mark.usefixtures("no_presets")
@pytest.mark.parametrize(
    ("params", "experiment"),
    [
        (SPEECH, "speech/spoken_digit"),
        (SELF_TRAINED, "sentiment/imdb_reviews/sentiment_self_trained"),
    ],
    ids=["speech", "self_trained"],
)
def test_a_migrated_run_is_found(params, experiment, tmp_path):
    suite = tmp_path / "suite.yaml"
    suite.write_text(SUITE)
    old = {"config_digest": "of another version", "dataset_digest": "0" * 64}
    old_run(experiment, params, **old)
    entry, architecture = params["entry"], params["architecture"]
    (wanted,) = config.load(str(suite), tasks=[entry], chosen=[architecture], seeds=1)
    assert runs.find_finished(wanted, "0" * 64) is None
    assert "Runs updated: 1." in migrated()
    found = runs.find_finished(wanted, "0" * 64)
    assert found.tags["validation_metric"] == "accuracy"
    assert config.from_json(found.tags["config"]) == wanted.model_copy(update={"suite": "standard"})
    assert "Runs updated: 0." in migrated()


@pytest.mark.usefixtures("no_presets")
def test_resolved_units_are_replaced_by_the_requested_ones():
    quick = {**SPEECH, "suite": "variants", "dataset": "japanese_vowels"}
    old = {"config_digest": "of another version", "dataset_digest": "0" * 64}
    lstm = {**quick, "architecture": "lstm", "model.units": "96"}
    gru = {**quick, "model.units": "112", "equal_parameters": "lstm"}
    for params in (lstm, gru):
        old_run("speech/japanese_vowels", params, **old)
    migrated()
    units = {
        record.tags["architecture"]: json.loads(record.tags["config"])["model"]["units"]
        for record in runs.every_run()
    }
    assert units == {"lstm": 96, "gru": 96}


@pytest.mark.usefixtures("no_presets")
def test_a_run_that_cannot_be_migrated_is_left_and_named():
    old_run("speech/spoken_digit", {**SPEECH, "model.odd": "1"}, config_digest="old")
    assert "Not updated: speech, gru" in migrated()
    (record,) = runs.every_run()
    assert record.tags["config_digest"] == "old"


@pytest.mark.usefixtures("no_presets")
def test_layer_timings_get_the_current_names():
    params = {"contenders": "zoo, keras"}
    old_run("layers/gru", params, architecture="gru", contender="zoo", suite="layers")
    migrated()
    (record,) = runs.latest("layers")["layers/gru"]
    assert record.tags["implementation"] == "zoo"
    assert "contender" not in record.tags
    assert record.params["implementations"] == "zoo, keras"


@pytest.mark.usefixtures("no_presets")
def test_the_command_runs(capsys):
    assert command_line.main(["migrate"]) == 0
    assert "Runs updated: 0." in capsys.readouterr().out


@pytest.fixture
def old_preset(tmp_path):
    """A preset with the argument names of an older version, and its model."""
    backbone = models.AudioBackbone("gru", front_end="mfcc", feature_dim=5, units=4)
    preprocessor = models.AudioClassifierPreprocessor()
    model = models.AudioClassifier(backbone, ["low", "high"], preprocessor)
    folder = tmp_path / "tones_gru"
    model.save_to_preset(str(folder))
    for path in folder.glob("*.json"):
        path.write_text(path.read_text().replace('"front_end":', '"features":'))
    card = {"sha256": pretrained.digests(folder), "bytes": 1000}
    (folder / "card.json").write_text(json.dumps(card))
    return folder, model


def test_a_migrated_preset_loads_and_predicts_the_same(old_preset):
    folder, model = old_preset
    assert presets.migrate_preset(folder) == ["config.json", "task.json", "card.json"]
    card = json.loads((folder / "card.json").read_text())
    assert card["sha256"] == pretrained.digests(folder)
    assert card["bytes"] == 1002  # one character more in two files
    (folder / "card.json").unlink()
    wave = [np.sin(np.arange(900) / 9).astype("float32")]
    np.testing.assert_array_equal(zoo.load(folder, verify=False).predict(wave), model.predict(wave))
    assert presets.migrate_preset(folder) == []


def test_a_preset_that_differs_from_its_card_is_not_changed(old_preset):
    folder, _ = old_preset
    path = folder / "config.json"
    path.write_text(path.read_text() + "\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match="doesn't match its card"):
        presets.migrate_preset(folder)
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("no_presets")
def test_an_older_store_is_an_error_until_it_is_migrated(capsys):
    old = {"config_digest": "of another version", "dataset_digest": "0" * 64}
    old_run("speech/spoken_digit", SPEECH, **old)
    old_run("speech/spoken_digit", {**SPEECH, "model.odd": "1"}, **old)
    assert command_line.main(["report", "--suite", "standard"]) == 2
    assert "python -m benchmarks migrate" in capsys.readouterr().out
    assert command_line.main(["migrate"]) == 0
    runs.check_version()
