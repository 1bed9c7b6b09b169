"""Sweeps: one space and budget for each architecture, trials kept, the best trained again."""

import io

import mlflow
import optuna
import pytest
from rich.console import Console

from benchmarks import config, report, sweep
from benchmarks.config import ConfigError, Range
from benchmarks.recipes import fit
from benchmarks.tracking import store as records

SPACE = {"learning_rate": Range(low=0.001, high=0.1, log=True), "units": Range(low=2, high=6)}


def run(suite, trials, chosen=("gru",), seeds=1):
    """Runs a sweep; returns its table, what is trained again, and the runs of trials."""
    entries = config.load_sweeps(suite, tasks=["speech"], chosen=chosen, epochs=2)
    ((configs, _),) = entries.values()
    table, again = sweep.run(configs, SPACE, trials, seeds, Console(file=io.StringIO()))
    return table, again, runs("speech/tones/trials")


def runs(experiment):
    found = mlflow.get_experiment_by_name(experiment)
    return mlflow.search_runs([found.experiment_id], output_format="list") if found else []


def point(run):
    """The learning rate and the units of a run."""
    return tuple(float(run.data.params[name]) for name in ("fit.learning_rate", "model.units"))


def points(trials):
    """The points of trials by architecture and number."""
    found = [one for one in trials if "trial" in one.data.tags]
    return {
        (one.data.tags["architecture"], int(one.data.tags["trial"])): point(one) for one in found
    }


@pytest.fixture
def trained(monkeypatch):
    """Counts the trainings."""
    found, run_step = [], fit.Fit.run

    def run(step, training, before):
        found.append(training.config.title)
        return run_step(step, training, before)

    monkeypatch.setattr(fit.Fit, "run", run)
    return found


@pytest.fixture
def prune(monkeypatch):
    """A function that makes the pruner stop the trial with this number after its first epoch."""

    def prune(number):
        class Pruner(optuna.pruners.BasePruner):
            def prune(self, study, trial):
                return trial.number == number

        monkeypatch.setattr(optuna.pruners, "MedianPruner", lambda **options: Pruner())

    return prune


@pytest.fixture
def only_trials(monkeypatch):
    """Leaves the training with fresh seeds out."""
    monkeypatch.setattr(sweep, "run_suite", lambda configs, console, pool: None)


def test_each_architecture_gets_the_same_points_at_first_and_the_same_budget(suite):
    table, again, trials = run(suite, 2, chosen=["rnn", "gru"])
    (parent,) = (one for one in trials if "trial" not in one.data.tags)
    nested = [one for one in trials if one.data.tags.get("mlflow.parentRunId")]
    assert len(trials) == 1 + 2 * 2
    assert {one.data.tags["mlflow.parentRunId"] for one in nested} == {parent.info.run_id}
    assert {one.info.status for one in trials} == {"FINISHED"}
    tried = points(trials)
    assert [tried["rnn", n] for n in range(2)] == [tried["gru", n] for n in range(2)]
    assert len(set(tried.values())) == 2
    assert all(0.001 <= rate <= 0.1 and units in range(2, 7) for rate, units in tried.values())
    assert not any(name.startswith("test/") for one in trials for name in one.data.metrics)
    assert [row[:3] for row in table.rows] == [["rnn", "2 (0)", "4"], ["gru", "2 (0)", "4"]]
    assert table.title in parent.data.tags["mlflow.note.content"]
    for one in runs("speech/tones/sweep"):
        architecture = one.data.tags["architecture"]
        values = {
            tried[architecture, int(other.data.tags["trial"])]: other.data.metrics[
                "best/val/accuracy"
            ]
            for other in nested
            if other.data.tags["architecture"] == architecture
        }
        assert values[point(one)] == max(values.values())
        assert one.data.tags["seed"] == "1"  # that of the trials is 0
        assert "test/accuracy" in one.data.metrics
    (compared,) = report.comparisons(again)
    assert [row[0] for row in compared.rows] == ["rnn", "gru"]
    records.check_version()  # a later bench doesn't take the parent for a run of an older version


@pytest.mark.usefixtures("only_trials")
@pytest.mark.slow
def test_a_sweep_goes_on_behind_its_finished_trials(suite, trained, prune, monkeypatch):
    prune(1)
    expected = points(run(suite, 3)[2])
    everything = list(trained)
    for experiment in mlflow.search_experiments():
        mlflow.MlflowClient().rename_experiment(experiment.experiment_id, f"old/{experiment.name}")
    trained.clear()
    run_trial = sweep._run_trial

    def interrupt(config, task, digest, parent, trial):
        if trial.number == 2:
            raise KeyboardInterrupt
        run_trial(config, task, digest, parent, trial)

    with monkeypatch.context() as patch:
        patch.setattr(sweep, "_run_trial", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(suite, 3)
    assert len(trained) == len(everything) - 1
    table, _, trials = run(suite, 3)
    assert trained == everything
    assert points(trials) == expected
    (parent,) = (one for one in trials if "trial" not in one.data.tags)
    assert parent.info.status == "FINISHED"
    assert table.rows[0][:3] == ["gru", "3 (1)", "5"]


@pytest.mark.usefixtures("only_trials")
def test_a_pruned_trial_is_never_the_best(suite, prune):
    prune(0)
    _, again, trials = run(suite, 2, seeds=3)
    by_number = {number: values for (_, number), values in points(trials).items()}
    (pruned,) = (one for one in trials if "pruned" in one.data.tags)
    assert (pruned.data.tags["trial"], pruned.data.tags["pruned"]) == ("0", "after epoch 1")
    assert [one.seed for one in again] == [1, 2, 3]
    for one in again:
        assert (one.recipe[0].learning_rate, one.model.units) == by_number[1] != by_number[0]


@pytest.mark.usefixtures("only_trials")
def test_a_sweep_whose_trials_are_all_pruned_is_an_error(suite, prune):
    prune(0)
    with pytest.raises(ConfigError, match="no trial was completed"):
        run(suite, 1)


def test_a_suite_may_set_the_space(suite, tmp_path):
    def spaces(search):
        path = tmp_path / "space.yaml"
        path.write_text(f"based_on: {suite}\ntasks: {{speech: {{search: {search}}}}}\n")
        ((_, space),) = config.load_sweeps(str(path), tasks=["speech"]).values()
        return space

    assert list(spaces("null")) == ["learning_rate", "units", "dropout"]
    assert spaces("{noise: {low: 0, high: 1}}") == {"noise": Range(low=0, high=1)}
    with pytest.raises(ConfigError, match="Did you mean 'units'"):
        spaces("{unit: {low: 1, high: 2}}")
    with pytest.raises(ConfigError, match="less than 1"):
        spaces("{dropout: {low: 0, high: 1.5}}")
    with pytest.raises(ConfigError, match="`low` must be less than `high`"):
        spaces("{units: {low: 4, high: 2}}")
