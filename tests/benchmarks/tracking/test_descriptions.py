"""Descriptions: a run names the command that trains it, if there is one."""

import pytest

from benchmarks import config
from benchmarks.tasks.sentiment import Sentiment
from benchmarks.tasks.task import Data, Evaluation
from benchmarks.tracking import descriptions


@pytest.fixture
def task():
    return Sentiment(lambda split: None, {}, Data("CC0", "Films.", {}))


def load(**options):
    (run,) = config.load("quick", tasks=["sentiment"], chosen=["gru"], **options)
    return run


def test_a_run_of_a_suite_names_value_data_and_command(task):
    evaluation = Evaluation(0.75, (0.7, 0.8), "accuracy of 100 examples", warnings=["Beware."])
    text = descriptions.of_run(load(), task, evaluation)
    assert "**test accuracy 0.750, 95 % interval 0.700–0.800** (accuracy of 100 examples)" in text
    assert "Data: `rotten_tomatoes`. Films. Licence: CC0." in text
    assert "make bench SUITE=quick TASK=sentiment ARCH=gru SEEDS=1" in text
    assert text.endswith("Beware.")


@pytest.mark.parametrize(
    "run", [load(epochs=1), load().model_copy(update={"suite": "mine"})], ids=["epochs", "mine"]
)
def test_a_run_that_no_suite_has_as_it_stands_names_no_command(run, task):
    text = descriptions.of_run(run, task, Evaluation(0.75, None, "how"), "counts")
    assert text.startswith("counts\n\n`gru`, seed 0,")
    assert "make bench" not in text
