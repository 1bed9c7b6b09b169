"""The memory problems: answers, baselines, fresh sequences and gradients."""

import types

import keras
import numpy as np
import pytest

from benchmarks import config
from benchmarks.tasks import TASKS
from benchmarks.tasks.memory import at_gap, gradients, temporal_order
from benchmarks.tasks.memory.attempt import Attempt
from benchmarks.tasks.memory.problem import Fitted
from zoo.datasets.errors import DatasetError
from zoo.datasets.temporal_order import temporal_order_dataset_builder as order_builder

ENTRIES = ("adding", "temporal_order", "copy")
TARGETS = {"adding": "sum", "temporal_order": "label", "copy": "copied"}


def of_suite(entry, architecture="gru_chrono"):
    (run,) = config.load("memory", tasks=[entry], chosen=[architecture], seeds=1)
    return run


@pytest.fixture(params=ENTRIES)
def entry(request):
    return request.param


@pytest.fixture
def task():
    """A function that makes the task of an entry, with few sequences a split."""

    def make(entry, count=200):
        label = types.SimpleNamespace(names=order_builder.LABELS)
        features = {TARGETS[entry]: label}
        seeds = {"validation": 1, "test": 2}

        def read(split, gap):
            return made.problem.draw(np.random.default_rng([seeds[split], gap]), count, gap)

        made = TASKS["memory"](read, features, "none")
        return made

    return make


def test_a_dataset_without_a_known_target_is_an_error():
    with pytest.raises(DatasetError, match=r"features sum, label, copied\. Received: x"):
        TASKS["memory"](None, {"x": None}, "none")


def test_perfect_answers_solve_every_gap(entry, task):
    at = task(entry).at(50)
    targets = at.examples("test").targets
    outputs = targets if entry == "adding" else np.eye(8)[targets]
    assert at.accuracy(Fitted("", lambda inputs: outputs, 0), "test") == 1
    wrong = targets + 0.05 if entry == "adding" else np.eye(8)[(targets + 1) % 4]
    assert at.accuracy(Fitted("", lambda inputs: wrong, 0), "test") < 0.2


def test_training_sequences_are_fresh_in_each_epoch_and_repeat_with_the_seed(entry, task):
    at, run = task(entry).at(20, sequences=40), of_suite(entry)
    model = at.build(run)

    def epoch(number, seed=0):
        batches = at.batches(model, at.examples("train"), run, 20)
        batches.shuffle(seed)
        batches.epoch = number
        return np.concatenate([batch[0]["sequence"] for batch in batches.dataset])

    first = epoch(0)
    assert len(np.unique(first, axis=0)) > 30
    np.testing.assert_array_equal(first, epoch(0))
    assert not np.array_equal(first, epoch(1))
    assert not np.array_equal(first, epoch(0, seed=1))


def test_the_timescale_of_a_model_is_the_gap(entry, task):
    made, run = task(entry), of_suite(entry)
    model = made.at(50).build(run)
    # The first symbol to copy is recalled after the gap and the other symbols.
    assert model.backbone.timescale == (60 if entry == "copy" else 50)
    evaluation = made.evaluate(model, run)
    assert evaluation.value == 0
    assert list(evaluation.curves["gap/accuracy"]) == [50]


def test_the_longest_gap_is_the_last_that_the_test_split_confirms(task):
    made = task("temporal_order")
    attempts = [
        Attempt(gap, accuracy, 100, 2.0, out_of_time=gap == 50)
        for gap, accuracy in ((10, 1.0), (20, 0.995), (50, 0.98))
    ]
    summary = made.summary(attempts)
    assert summary.value == 20
    assert summary.curves["gap/solved"] == {10: 1, 20: 1, 50: 0}
    assert summary.curves["gap/sequences"] == {10: 100, 20: 100, 50: 100}
    assert summary.curves["gap/out_of_time"] == {10: 0, 20: 0, 50: 1}
    assert made.summary(attempts[2:]).value == 0


def test_a_gap_is_left_only_when_it_is_clearly_solved(task):
    at = task("temporal_order", 2560).at(10)
    assert not at.is_solved(0.989)
    assert at.is_solved(0.99)
    assert not at.is_clearly_solved(0.993)
    assert at.is_clearly_solved(0.995)


def test_counting_tells_two_of_four_orders(task, monkeypatch):
    monkeypatch.setattr(at_gap, "BASELINE_EXAMPLES", 500)
    baseline = task("temporal_order", 1000).baseline()
    assert baseline.evaluation.value == 0
    assert baseline.evaluation.curves["gap/accuracy"] == {10: pytest.approx(0.75, abs=0.04)}
    assert task("temporal_order", 1000).at(50).baseline().evaluation.value == pytest.approx(
        0.75, abs=0.04
    )


def test_hidden_markov_models_know_the_order_over_a_short_gap(task, monkeypatch):
    monkeypatch.setattr(at_gap, "BASELINE_EXAMPLES", 200)
    monkeypatch.setattr(temporal_order, "STATES", (1, 4))
    at = task("temporal_order", 100).at(10)
    fitted = at.fit_baseline(at.problem.hidden_markov)
    assert fitted.name == "a hidden Markov model of 4 states a class"
    assert fitted.parameters == 4 * 4 * (1 + 4 + 8)
    assert at.accuracy(fitted, "test") > 0.95


def test_a_baseline_that_needs_classes_says_so(task):
    with pytest.raises(DatasetError, match="need classes, but the target is 'sum'"):
        task("adding").baseline_hmm()


@pytest.mark.parametrize("baseline", ["baseline", "baseline_constant"])
def test_no_order_blind_or_constant_answer_solves_a_gap(entry, task, baseline, monkeypatch):
    monkeypatch.setattr(at_gap, "BASELINE_EXAMPLES", 100)
    made = getattr(task(entry), baseline)()
    assert made.evaluation.value == 0
    assert 0 < made.evaluation.curves["gap/accuracy"][10] < 0.9


def test_gradients_by_lag_are_of_the_model_and_its_loss(entry, task, monkeypatch):
    monkeypatch.setattr(gradients, "GAP", 30)
    lowest, length = (10, 50) if entry == "copy" else (1, 30)
    made, run = task(entry, 40), of_suite(entry)
    keras.utils.set_random_seed(0)
    model = made.at(20).build(run)
    evaluation = made.with_gradients(made.summary([]), model, run)
    trained = evaluation.curves["lag/gradient"]
    untrained = evaluation.curves["lag/gradient_untrained"]
    assert list(trained) == list(untrained)
    assert list(trained) == [lag for lag in gradients.LAGS if lowest <= lag <= length]
    assert min(trained.values()) > 0
    assert trained != untrained


def test_gradients_are_those_of_the_last_of_several_layers(task, monkeypatch):
    monkeypatch.setattr(gradients, "GAP", 30)
    made, run = task("temporal_order", 40), of_suite("temporal_order")
    two = run.model_copy(update={"model": run.model.model_copy(update={"num_layers": 2})})
    found = gradients.by_lag(made.at(30).build(two), made.at(30))
    assert list(found)[-1] == 20
    assert min(found.values()) > 0


def test_baselines_go_on_by_the_validation_split(task, monkeypatch):
    monkeypatch.setattr(at_gap, "BASELINE_EXAMPLES", 10)
    solved = {"validation": {10: 1.0, 20: 1.0, 50: 0.5}, "test": {10: 1.0, 20: 0.5, 50: 1.0}}
    monkeypatch.setattr(at_gap.AtGap, "accuracy", lambda at, _, split: solved[split][at.gap])
    curves = task("copy").baseline_constant().evaluation.curves
    assert curves["gap/accuracy"] == solved["test"]
    assert curves["gap/sequences"] == {10: 10, 20: 10, 50: 10}


def test_no_training_sequence_shares_its_draws_with_a_split(task):
    made, run = task("adding", 40), of_suite("adding")
    at = made.at(10, sequences=40)
    model = at.build(run)
    batches = at.batches(model, at.examples("train"), run, 20)
    batches.shuffle(1)
    batches.epoch = 10  # the seeds of validation_10
    drawn = np.concatenate([batch[0]["sequence"] for batch in batches.dataset])[..., 0]
    shared = np.isin(drawn, np.stack(at.examples("validation").inputs)[..., 0])
    assert shared.mean() < 0.01  # float32 has few enough values for a coincidence
