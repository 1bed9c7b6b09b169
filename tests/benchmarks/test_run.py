"""Runs, from the suite through MLflow to the report."""

import io

import keras
import mlflow
import numpy as np
import pytest
from rich.console import Console

import zoo
from benchmarks import __main__ as command_line
from benchmarks import report
from benchmarks import run as running
from benchmarks.data import task_of
from benchmarks.recipes import fit
from benchmarks.recipes.ensemble import Ensemble
from benchmarks.tracking import models
from benchmarks.tracking import store as records
from zoo.datasets.errors import DatasetError


def run(configs, **options):
    """Runs configurations and returns the printed text."""
    console = Console(file=io.StringIO(), width=120)
    running.run_suite(configs, console, **options)
    return console.file.getvalue()


def runs(experiment):
    experiment = mlflow.get_experiment_by_name(experiment)
    return mlflow.search_runs([experiment.experiment_id], output_format="list")


def history(run_id, metric):
    return [(m.step, m.value) for m in mlflow.MlflowClient().get_metric_history(run_id, metric)]


def test_a_run_logs_everything_in_the_contract(load):
    run(load(tasks=["speech"], chosen=["gru"]))
    (logged,) = runs("speech/tones")
    assert logged.info.status == "FINISHED"
    tags = {"suite", "task", "dataset", "dataset_digest", "architecture", "seed"}
    assert tags | {"git_commit", "backend", "kernel"} <= logged.data.tags.keys()
    assert logged.data.params["fit.epochs"] == "3"
    once = {"params", "train_seconds", "seconds_to_quality", "examples_per_second", "predict_ms"}
    assert once | {"test/accuracy", "best/val/loss", "best/epoch"} <= logged.data.metrics.keys()
    for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy"):
        assert [step for step, _ in history(logged.info.run_id, name)] == [1, 2, 3]
    experiment = mlflow.get_experiment(logged.info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    artifacts = {file.path for file in mlflow.MlflowClient().list_artifacts(logged.info.run_id)}
    assert {"confusion_matrix.png", "gates.png", "learning_curve.png"} <= artifacts
    assert [e.name for e in mlflow.search_experiments()] == ["speech/tones"]


@pytest.mark.parametrize("monitor", ["loss", "accuracy"])
def test_the_best_epoch_on_validation_is_kept(load, monitor):
    (config,) = load(tasks=["speech"], chosen=["gru"], epochs=8)
    (step,) = config.recipe
    run([config.model_copy(update={"recipe": (step.model_copy(update={"monitor": monitor}),)})])
    (logged,) = runs("speech/tones")
    values = {
        name: [value for _, value in history(logged.info.run_id, f"val/{name}")]
        for name in ("loss", "accuracy")
    }
    best = {"loss": np.argmin(values["loss"]), "accuracy": np.argmax(values["accuracy"])}
    assert best["loss"] != best["accuracy"]  # or the test could not distinguish them
    assert logged.data.metrics["best/epoch"] == 1 + best[monitor]
    assert logged.data.metrics[f"best/val/{monitor}"] == pytest.approx(
        values[monitor][best[monitor]]
    )


@pytest.mark.parametrize(
    ("task", "experiment", "raw"),
    [
        ("speech", "speech/tones", np.ones((3, 4)).tolist()),
        ("translation", "translation/echo", "a b"),
    ],
)
def test_the_champion_takes_raw_input(load, task, experiment, raw, monkeypatch):
    import pandas as pd

    run(load(tasks=[task], chosen=["gru", "rnn"], epochs=1))
    best = max(runs(experiment), key=lambda run: run.data.metrics["best/val/accuracy"])
    name = experiment.replace("/", ".")
    version = mlflow.MlflowClient().get_model_version_by_alias(name, "champion")
    assert version.run_id == best.info.run_id
    monkeypatch.setenv("MLFLOW_TRACKING_URI", records.tracking_uri())
    for loaded in (zoo.load(f"models:/{name}@champion"), models.load_champion(experiment)):
        assert loaded.backbone.architecture == best.data.tags["architecture"]
    assert models.load_champion("speech/other") is None
    model = mlflow.pyfunc.load_model(f"models:/{name}@champion")
    (column,) = model.metadata.get_input_schema().input_names()
    (answer,) = model.predict(pd.DataFrame({column: [raw]}))
    if task == "speech":
        assert answer["label"] in ("low", "middle", "high")
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    else:
        assert isinstance(answer["output"], str)


@pytest.fixture
def trained(monkeypatch):
    """Records the seed and the model of each fit, in order."""
    found, run_step = [], fit.Fit.run

    def run(step, training, before):
        result = run_step(step, training, before)
        found.append((training.seed, result.model))
        return result

    monkeypatch.setattr(fit.Fit, "run", run)
    return found


def an_ensemble(config, members, **changes):
    recipe = (*config.recipe, Ensemble(members=members))
    return config.model_copy(update={"recipe": recipe, **changes})


def test_an_ensemble_trains_its_members_in_one_run(load, trained):
    (config,) = load(tasks=["speech"], chosen=["gru"], epochs=2)
    task, _ = task_of(config)
    run([an_ensemble(config, 2)])
    (logged,) = runs("speech/tones")
    metrics = logged.data.metrics
    assert [step for step, _ in history(logged.info.run_id, "val/loss")] == [1, 2, 3, 4]
    (_, one), (_, other) = trained
    assert metrics["params"] == one.count_params() + other.count_params()
    assert not np.allclose(one.get_weights()[-1], other.get_weights()[-1])
    data = task.read("validation")
    mean = (one.predict(data["frames"]) + other.predict(data["frames"])) / 2
    assert metrics["best/val/accuracy"] == pytest.approx((mean.argmax(1) == data["label"]).mean())
    assert "best/epoch" not in metrics
    champion = zoo.load("models:/speech.tones@champion")
    np.testing.assert_allclose(champion.predict(data["frames"]), mean, rtol=1e-5)


def test_members_of_an_ensemble_may_differ_in_architecture(load, trained):
    run(load(tasks=["speech"], chosen=["rnn", "gru"], epochs=1))
    trained.clear()
    (config,) = load(tasks=["speech"], chosen=["gru"], epochs=1)
    together = Ensemble(architectures=("gru", "lstm", "rnn"))
    run([config.model_copy(update={"recipe": (*config.recipe, together), "entry": "together"})])
    assert [model.backbone.architecture for _, model in trained] == ["lstm"]
    members = zoo.load("models:/speech.tones.together@champion").members
    assert [model.backbone.architecture for model in members] == ["gru", "lstm", "rnn"]


def test_members_with_finished_runs_are_reused(load, trained):
    alone = load(tasks=["speech"], chosen=["gru"], seeds=2)
    run(alone)
    trained.clear()
    together = an_ensemble(alone[0], 3, entry="together")
    run([together])
    assert [seed for seed, _ in trained] == [2]
    (logged,) = runs("speech/tones/together")
    values = dict(history(logged.info.run_id, "val/loss"))
    assert sorted(values) == list(range(1, 10))
    for number, one in enumerate(sorted(runs("speech/tones"), key=lambda r: r.data.tags["seed"])):
        of_member = dict(history(one.info.run_id, "val/loss"))
        assert of_member == {epoch: values[3 * number + epoch] for epoch in (1, 2, 3)}
    first = min(runs("speech/tones"), key=lambda one: one.data.tags["seed"]).data.metrics
    assert logged.data.metrics["seconds_to_quality"] == first["seconds_to_quality"]
    spent = sum(one.data.metrics["train_seconds"] for one in runs("speech/tones"))
    assert logged.data.metrics["train_seconds"] > spent
    assert [f"member_{number}" in logged.data.tags for number in range(3)] == [True, True, False]
    trained.clear()
    run([together], rerun=True)
    assert [seed for seed, _ in trained] == [0, 1, 2]
    again, first = runs("speech/tones/together")
    assert again.data.metrics["best/val/loss"] == pytest.approx(first.data.metrics["best/val/loss"])


def test_cross_validation_has_no_champion(load):
    (config,) = load(tasks=["speech"], chosen=["rnn"], epochs=1)
    splits = config.splits.model_copy(update={"folds": ("one", "other")})
    run([config.model_copy(update={"splits": splits})])
    assert runs("speech/tones")[0].info.status == "FINISHED"
    assert mlflow.search_registered_models() == []


def test_the_same_seed_reproduces_the_same_numbers(load):
    configs = load(tasks=["speech"], chosen=["gru"])
    run(configs)
    np.random.default_rng().normal()  # other random state doesn't matter
    keras.random.normal((3,))
    run(configs, rerun=True)
    first, second = (
        [history(logged.info.run_id, name) for name in ("train/loss", "val/loss")]
        for logged in runs("speech/tones")
    )
    assert first == second


@pytest.mark.parametrize("architecture", ["rnn", "lstm_projection", "lstm"])
def test_equal_parameters_determine_the_units(load, architecture):
    (config,) = load(tasks=["speech"], chosen=[architecture])
    config = config.model_copy(
        update={
            "equal_parameters": "lstm",
            "model": config.model.model_copy(update={"units": 40}),
        }
    )
    task, _ = task_of(config)
    resolved = running.resolve(config, task)
    reference = task.build(config.model_copy(update={"architecture": "lstm"})).count_params()
    counts = {}
    for step in (-1, 0, 1):
        model = resolved.model.model_copy(update={"units": resolved.model.units + step})
        counts[step] = task.build(resolved.model_copy(update={"model": model})).count_params()
    nearest = min(counts, key=lambda step: abs(counts[step] - reference))
    assert nearest == 0
    assert abs(counts[0] - reference) < 0.05 * reference


def test_finished_runs_are_not_trained_again_unless_asked(load):
    configs = load(tasks=["speech"], chosen=["rnn"], epochs=1)
    run(configs)
    assert "already finished" in run(configs)
    assert len(runs("speech/tones")) == 1
    run(configs, rerun=True)
    assert len(runs("speech/tones")) == 2
    run(load(tasks=["speech"], chosen=["rnn"], epochs=2))
    assert len(runs("speech/tones")) == 3


def test_an_interrupt_kills_the_run_and_keeps_finished_ones(load, suite, monkeypatch, capsys):
    run(load(tasks=["speech"], chosen=["rnn"], epochs=1))

    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(fit._Epochs, "on_epoch_end", interrupt)
    arguments = ["run", "--suite", suite, "--task", "speech", "--arch", "rnn,gru", "--epochs", "1"]
    assert command_line.main(arguments) == 130
    statuses = {run.data.tags["architecture"]: run.info.status for run in runs("speech/tones")}
    assert statuses == {"rnn": "FINISHED", "gru": "KILLED"}
    assert mlflow.active_run() is None
    assert "Interrupted" in capsys.readouterr().out


def test_a_failed_run_is_marked_failed(load, monkeypatch):
    def fail(*args):
        raise RuntimeError("no luck")

    monkeypatch.setattr(running, "latency_ms", fail)
    with pytest.raises(RuntimeError, match="no luck"):
        run(load(tasks=["speech"], chosen=["rnn"], epochs=1))
    assert runs("speech/tones")[0].info.status == "FAILED"


def test_the_report_has_a_row_per_architecture_baseline_first(load, suite):
    run(load(tasks=["speech"], seeds=1, epochs=1))
    run(load(tasks=["speech"], chosen=["gru"], seeds=2, epochs=1))
    finished = records.finished(load(tasks=["speech"], seeds=2, epochs=1))["speech/tones"]
    (table,) = report.comparisons(load(tasks=["speech"], seeds=2, epochs=1))
    assert [row[0] for row in table.rows] == ["baseline", "rnn", "gru"]
    scores = {}
    for record in finished:
        scores.setdefault(record.tags["architecture"], []).append(record.metrics["test/accuracy"])
    mean, spread = np.mean(scores["gru"]), np.std(scores["gru"], ddof=1)
    assert table.rows[2][1] == f"{mean:.3f} ± {spread:.3f}"
    assert "1 to 2 seeds" in table.footnote
    assert "baseline: mean and deviation of the frames" in table.footnote


def test_a_table_shows_only_runs_of_its_configurations(load, suite):
    run(load(tasks=["speech"], chosen=["gru"], epochs=1))
    run(load(tasks=["speech"], chosen=["gru"], epochs=2))
    (shown,) = records.finished(load(tasks=["speech"], epochs=1)).values()
    assert [record.params["fit.epochs"] for record in shown] == ["1"]
    assert records.finished(load(tasks=["speech"], epochs=3)) == {}


def test_a_report_without_runs_is_an_error(suite, capsys):
    assert command_line.main(["report", "--suite", suite]) == 2
    assert "No finished runs" in capsys.readouterr().out


def test_an_invalid_option_exits_with_a_message_and_status_2(suite, capsys):
    assert command_line.main(["run", "--suite", suite, "--arch", "grru"]) == 2
    assert "Did you mean 'gru'?" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("suite", "option"), [("layers", "--task=speech"), ("pretrained", "--arch=gru")]
)
def test_a_choice_that_a_suite_lacks_is_an_error(suite, option, capsys):
    assert command_line.main(["run", "--suite", suite, option]) == 2
    assert f"'{option[2:6]}' doesn't apply to it" in " ".join(capsys.readouterr().out.split())


def test_an_entry_may_be_skipped_if_its_data_cannot_be_had(load, monkeypatch):
    configs = load(chosen=["gru"], epochs=1)
    assert [config.task for config in configs] == ["speech", "translation"]
    asked = []

    def task_or_error(config):
        asked.append(config.dataset)
        if config.dataset == "tones":
            raise DatasetError("no network")
        return task_of(config)

    monkeypatch.setattr(running, "task_of", task_or_error)
    with pytest.raises(DatasetError):
        run(configs)
    optional = [config.model_copy(update={"if_available": True}) for config in configs]
    again = optional[0].model_copy(update={"seed": 1})
    asked.clear()
    output = run([optional[0], again, optional[1]])
    assert asked.count("tones") == 1
    assert "speech/tones: skipped. no network" in output
    assert "translation/echo · gru, seed 0: bleu" in output
    with pytest.raises(DatasetError):  # what is required is not skipped because of another entry
        run([optional[0], configs[0]])


@pytest.mark.parametrize(
    ("chosen", "message"),
    [([], "must name one task"), (["--task", "speech,sentiment"], "must name one task")],
)
def test_one_task_is_served(chosen, message, capsys):
    assert command_line.main(["serve", *chosen]) == 2
    assert message in capsys.readouterr().out


def test_a_task_without_a_finished_run_is_not_served(load, capsys):
    assert command_line.main(["serve", "--task", "speech"]) == 2
    assert "No finished run of speech/japanese_vowels: run make bench first." in (
        capsys.readouterr().out
    )
