"""Killed runs resume from their last epoch and end with the results of an uninterrupted run."""

import io

import keras
import mlflow
import numpy as np
import pytest
from rich.console import Console

from benchmarks.config import load as load_suite
from benchmarks.recipes import checkpoint, fit
from benchmarks.recipes.checkpoint import Checkpoint
from benchmarks.recipes.ensemble import Ensemble
from benchmarks.run import run_suite
from benchmarks.tracking import store as runs_store

# Metrics that depend on the machine and its load.
MACHINE_DEPENDENT = {
    "train_seconds",
    "seconds_to_quality",
    "examples_per_second",
    "predict_ms",
}


def run(configs):
    console = Console(file=io.StringIO(), width=120)
    run_suite(configs, console)


def the_run(experiment="speech/tones"):
    """The only run of an experiment, and its metrics with their steps."""
    experiment = mlflow.get_experiment_by_name(experiment)
    (found,) = mlflow.search_runs([experiment.experiment_id], output_format="list")
    client = mlflow.MlflowClient()
    metrics = {
        name: [(m.step, m.value) for m in client.get_metric_history(found.info.run_id, name)]
        for name in found.data.metrics
        if name not in MACHINE_DEPENDENT
    }
    return found, metrics


@pytest.fixture
def kill(monkeypatch):
    """A function that makes training raise KeyboardInterrupt once, at the start of an epoch."""

    def kill(at_epoch, at_fit=0):
        begin, restore = fit._Epochs.on_epoch_begin, fit._Epochs.restore
        fits = []

        def on_epoch_begin(callback, epoch, logs=None):
            if epoch == at_epoch and len(fits) == at_fit + 1:
                monkeypatch.setattr(fit._Epochs, "on_epoch_begin", begin)
                monkeypatch.setattr(fit._Epochs, "restore", restore)
                raise KeyboardInterrupt
            begin(callback, epoch, logs)

        def watched(callback, trainer):
            fits.append(callback)
            restore(callback, trainer)

        monkeypatch.setattr(fit._Epochs, "on_epoch_begin", on_epoch_begin)
        monkeypatch.setattr(fit._Epochs, "restore", watched)

    return kill


@pytest.mark.parametrize("at_epoch", [0, 2])
@pytest.mark.parametrize("task", ["speech", "translation"])
def test_a_resumed_run_matches_an_uninterrupted_one(load, kill, task, at_epoch):
    (config,) = load(tasks=[task], chosen=["gru"], epochs=4)
    run([config.model_copy(update={"entry": "uninterrupted"})])
    _, expected = the_run(f"{config.experiment}/uninterrupted")
    kill(at_epoch)
    with pytest.raises(KeyboardInterrupt):
        run([config])
    killed, _ = the_run(config.experiment)
    assert killed.info.status == "KILLED"
    run([config])
    resumed, metrics = the_run(config.experiment)
    assert resumed.info.status == "FINISHED"
    assert resumed.info.run_id == killed.info.run_id
    assert metrics == expected
    assert list((runs_store.LOCAL_STORE / "checkpoints").glob("*")) == []


LANGUAGE_MODELLING = """
architectures: [lstm]
seeds: 1
tasks:
  language_modelling:
    dataset: echo
    features: {text: source}
    quality: 50
    model: {unit: subword, vocabulary_size: 290, embedding_dim: 8, units: 6, num_layers: 1,
            dropout: 0.2, token_dropout: 0.1, recurrent_weight_dropout: 0.1}
    recipe:
      - truncated_bptt: {epochs: 3, batch_size: 4, steps: 7, candidates: 20, learning_rate: 0.02}
"""


def test_a_resumed_language_model_matches_an_uninterrupted_one(suite, tmp_path, kill):
    path = tmp_path / "language.yaml"
    path.write_text(LANGUAGE_MODELLING)
    (run_config,) = load_suite(str(path), chosen=["lstm"])
    run([run_config.model_copy(update={"entry": "uninterrupted"})])
    _, expected = the_run("language_modelling/echo/uninterrupted")
    kill(1)
    with pytest.raises(KeyboardInterrupt):
        run([run_config])
    run([run_config])
    resumed, metrics = the_run("language_modelling/echo")
    assert resumed.info.status == "FINISHED"
    assert metrics == expected


def test_finished_members_are_not_trained_again(load, kill):
    (config,) = load(tasks=["speech"], chosen=["gru"])
    config = config.model_copy(update={"recipe": (*config.recipe, Ensemble(members=3))})
    run([config.model_copy(update={"entry": "uninterrupted"})])
    _, expected = the_run("speech/tones/uninterrupted")
    kill(at_epoch=1, at_fit=1)
    with pytest.raises(KeyboardInterrupt):
        run([config])
    epochs = []
    begin = fit._Epochs.on_epoch_begin

    def on_epoch_begin(callback, epoch, logs=None):
        epochs.append(epoch)
        begin(callback, epoch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit._Epochs, "on_epoch_begin", on_epoch_begin)
        run([config])
    assert epochs == [1, 2, 0, 1, 2]
    resumed, metrics = the_run()
    assert resumed.data.tags["resumed"] == "1"
    assert metrics == expected


def test_a_rerun_starts_from_scratch(load, kill):
    (config,) = load(tasks=["speech"], chosen=["gru"])
    kill(at_epoch=1)
    with pytest.raises(KeyboardInterrupt):
        run([config])
    run_suite([config], Console(file=io.StringIO()), rerun=True)
    experiment = mlflow.get_experiment_by_name("speech/tones")
    found = mlflow.search_runs([experiment.experiment_id], output_format="list")
    assert [run.info.status for run in found] == ["FINISHED", "KILLED"]


def test_a_killed_run_resumes_under_another_suite_name(load, kill):
    (config,) = load(tasks=["speech"], chosen=["gru"])
    kill(at_epoch=1)
    with pytest.raises(KeyboardInterrupt):
        run([config])
    run([config.model_copy(update={"suite": "other", "quality": 0.99, "preset": "sounds"})])
    resumed, _ = the_run()
    assert resumed.info.status == "FINISHED"
    assert resumed.data.tags["suite"] == "other"


def test_checkpoints_that_no_run_will_resume_are_removed(load, kill):
    (config,) = load(tasks=["speech"], chosen=["gru"])
    kill(at_epoch=1)
    with pytest.raises(KeyboardInterrupt):
        run([config])
    assert len(list((runs_store.LOCAL_STORE / "checkpoints").glob("*"))) == 1
    run_suite([config], Console(file=io.StringIO()), rerun=True)
    assert list((runs_store.LOCAL_STORE / "checkpoints").glob("*")) == []


def test_a_run_of_a_living_process_is_not_resumed(load, kill):
    (config,) = load(tasks=["speech"], chosen=["gru"])
    kill(at_epoch=1)
    with pytest.raises(KeyboardInterrupt):
        run([config])
    killed, _ = the_run()
    with runs_store.lock(killed.info.run_id):
        run([config])
    experiment = mlflow.get_experiment_by_name("speech/tones")
    found = mlflow.search_runs([experiment.experiment_id], output_format="list")
    assert [run.info.status for run in found] == ["FINISHED", "KILLED"]


@pytest.mark.usefixtures("store")
def test_a_run_whose_process_died_is_marked_killed():
    experiment = mlflow.create_experiment("some/thing")
    dead, living, elsewhere = (
        mlflow.MlflowClient().create_run(experiment).info.run_id for _ in range(3)
    )
    for run_id in (dead, living):
        runs_store.checkpoints(run_id).mkdir(parents=True)
    with runs_store.lock(living):
        runs_store.connect()
        found = mlflow.search_runs([experiment], output_format="list")
    assert {run.info.run_id: run.info.status for run in found} == {
        dead: "KILLED",
        living: "RUNNING",
        elsewhere: "RUNNING",
    }


def test_a_checkpoint_is_written_atomically(tmp_path, monkeypatch):
    saved = Checkpoint(tmp_path / "folder" / "step.1")
    assert saved.load() is None
    saved.save({"weights": [np.arange(3), np.ones((2, 2))]}, {"epoch": 1})

    def fail(*args, **kwargs):
        args[0].write(b"half")
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint.np, "savez", fail)
        with pytest.raises(OSError, match="no space"):
            saved.save({"weights": []}, {"epoch": 2})
    arrays, facts = saved.load()
    np.testing.assert_array_equal(arrays["weights"][0], [0, 1, 2])
    assert facts == {"epoch": 1}
    saved.path.write_bytes(saved.path.read_bytes()[:-20])
    assert saved.load() is None


def test_a_checkpoint_restores_the_optimizer_and_the_random_state():
    def model():
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        )
        model.compile(keras.optimizers.Adam(0.1), "mse")
        model.optimizer.build(model.trainable_variables)
        return model

    x, y = np.ones((8, 3), "float32"), np.ones((8, 1), "float32")
    trained, other = model(), model()
    trained.fit(x, y, epochs=2, verbose=0)
    checkpoint.write_variables(other, checkpoint.read_variables(trained))
    for _ in range(2):
        trained.fit(x, y, verbose=0)
        other.fit(x, y, verbose=0)
    for one, another in zip(trained.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, another)


def test_a_checkpoint_of_another_version_is_not_used(tmp_path, monkeypatch):
    saved = Checkpoint(tmp_path / "step")
    saved.save({"weights": [np.ones(2)]}, {"epoch": 1})
    assert saved.load() is not None
    monkeypatch.setattr(checkpoint, "VERSIONS", "keras 99")
    assert saved.load() is None
