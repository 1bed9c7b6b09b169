"""The pages of MLflow after a bench: what is shown, compared, described and opened."""

import io
import re

import mlflow
import pytest
from rich.console import Console

from benchmarks import __main__ as command_line
from benchmarks import report
from benchmarks import run as running
from benchmarks.tracking import charts, runs, server, store


@pytest.fixture
def bench(suite, load):
    """A function that runs the small suite and publishes it; epochs as `make bench EPOCHS=`."""

    def run(epochs=1, **options):
        console = Console(file=io.StringIO())
        running.run_suite(load(epochs=epochs, **options), console)
        report.publish(suite, epochs)

    return run


@pytest.fixture
def shown(read_view):
    """A function that returns the runs that a view of an experiment shows."""

    def find(experiment, name):
        found = mlflow.get_experiment_by_name(experiment)
        query = read_view(experiment, name)["searchFilter"]
        return store.search([found.experiment_id], query)

    return find


@pytest.mark.usefixtures("store")
def test_pages_of_a_bench(bench, suite, shown, read_view):
    bench(tasks=["speech"], seeds=2)
    assert len(shown("speech/tones", "small-1-epochs")) == 5  # one is the baseline
    view = read_view("speech/tones", "small-1-epochs")
    first, *costs = view["compareRunCharts"][:4]
    assert (first["type"], first["metricKey"]) == ("BAR", "test/accuracy")
    assert [(one["type"], one["xaxis"]["key"], one["yaxis"]["key"]) for one in costs] == [
        ("SCATTER", cost, "test/accuracy") for cost in ("params", "train_seconds", "predict_ms")
    ]
    curves = [one["metricKey"] for one in view["compareRunCharts"][4:]]
    assert curves == ["val/accuracy", "val/loss", "train/accuracy", "train/loss"]
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`test/accuracy`", False)
    assert view["runsHiddenMode"] == "SHOW_ALL"
    assert view["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "architecture"}]
    opened = [one["name"] for one in view["compareRunSections"] if one["display"]]
    assert opened == ["Test", "Learning curves"]
    closed = [one["name"] for one in view["compareRunSections"] if not one["display"]]
    assert {"best", "best/val", "Model metrics", "test"} <= set(closed)
    assert not {"val", "train"} & set(closed)  # whose charts are all above

    board = {run.tags["architecture"]: run for run in shown("leaderboard", "small-1-epochs")}
    assert set(board) == {"baseline", "gru", "rnn"}
    of_gru = [
        run.metrics
        for run in shown("speech/tones", "small-1-epochs")
        if run.tags["architecture"] == "gru"
    ]
    mean = sum(metrics["test/accuracy"] for metrics in of_gru) / 2
    base = board["baseline"].metrics["test/tones"]
    assert board["gru"].metrics["test/tones"] == pytest.approx(mean)
    assert board["gru"].metrics["score/mean"] == pytest.approx((mean - base) / (1 - base))

    # Another budget has pages of its own; a new bench replaces the leaderboard of the same one.
    bench(epochs=2, tasks=["speech"])
    bench(tasks=["speech"], seeds=2)
    assert len(shown("leaderboard", "small-1-epochs")) == 3
    assert len(shown("leaderboard", "small-2-epochs")) == 3
    two, one = shown("speech/tones", "small-2-epochs"), shown("speech/tones", "small-1-epochs")
    in_both = {run.run_id for run in two} & {run.run_id for run in one}
    baseline = {run.run_id for run in one if run.tags["architecture"] == "baseline"}
    assert in_both == baseline  # which has no epochs

    # The UI opens on the leaderboard of the newest bench.
    id = mlflow.get_experiment_by_name("leaderboard").experiment_id
    assert server.ui_url(5000) == f"http://127.0.0.1:5000/{charts.url(id, 'small-1-epochs')}"
    assert "workflowType=machine_learning" in server.ui_url(5000)

    note = mlflow.get_experiment_by_name("speech/tones").tags[store.NOTE]
    assert "Data: `tones`. Tones of three heights. Licence: CC0." in note
    assert "Best architecture: " in note
    for view in ("small-1-epochs", "small-2-epochs"):
        assert f"viewStateShareKey={view}" in note
    assert re.search(r"\| gru \| 0\.\d{3}", note)
    board = mlflow.get_experiment_by_name("leaderboard").tags[store.NOTE]
    assert board.count("| architecture | mean score | tones |") == 2

    (run, *_) = (one for one in two if one.tags["architecture"] == "gru")
    assert run.description.startswith("`gru`, seed 0, of the suite `small`, entry `speech`: **test")
    client = mlflow.MlflowClient()
    model = client.get_registered_model("speech.tones")
    assert 'zoo.load("models:/speech.tones@champion")' in model.description
    version = client.get_model_version_by_alias("speech.tones", "champion")
    assert "parameters, trained for" in version.description

    # What is no longer compared isn't shown: here, since the newest run has other data.
    client.set_tag(shown("speech/tones", "small-2-epochs")[0].run_id, "dataset_digest", "1" * 64)
    report.publish(suite, 2)
    assert len(shown("speech/tones", "small-2-epochs")) == 1


@pytest.mark.usefixtures("store")
def test_each_split_is_logged_as_a_dataset(bench):
    bench(tasks=["translation"], chosen=["gru"])
    experiment = mlflow.get_experiment_by_name("translation/echo")
    (run,) = mlflow.search_runs([experiment.experiment_id], output_format="list")
    found = {one.tags[0].value: one.dataset for one in run.inputs.dataset_inputs}
    assert set(found) == {"train", "validation", "test"}
    assert {one.digest for one in found.values()} == {"0" * 36}
    assert found["test"].name == "echo, test"
    assert '"num_rows": 20' in found["test"].profile
    assert '"dataset": "echo", "split": "test"' in found["test"].source
    assert '"name": "source"' in found["test"].schema


@pytest.mark.usefixtures("store")
def test_without_an_arranged_page_the_ui_opens_the_list_of_experiments(load):
    address = "http://127.0.0.1:5000/#/experiments?workflowType=machine_learning"
    assert server.ui_url(5000) == address
    running.run_suite(load(tasks=["speech"], chosen=["baseline"]), Console(file=io.StringIO()))
    assert server.ui_url(5000) == address
    id = mlflow.get_experiment_by_name("speech/tones").experiment_id
    tag = "mlflow.sharedViewState.learning-curves"  # as an older version saved it
    mlflow.MlflowClient().set_experiment_tag(id, tag, "{}")
    assert server.ui_url(5000).endswith(charts.url(id, "learning-curves"))


@pytest.mark.usefixtures("store")
def test_timings_of_layers_have_an_arranged_page(read_view, shown):
    for implementation, faster in (("zoo", 3.0), ("keras", 1.0), ("zoo", 4.0)):
        tags = {
            "suite": "layers",
            "task": "layers",
            "architecture": "lstm",
            "implementation": implementation,
            "versions": "keras 3",
        }
        params = {"shapes": "2x3x4x5", "implementations": "zoo, keras", "rounds": 1, "threads": 1}
        with runs.open_run("layers/lstm", implementation, tags, params):
            for mode in ("inference", "training"):
                values = {"speedup": faster, "low": faster, "high": faster, "ms": 1.0}
                runs.log_metrics({f"{mode}_{name}/2x3x4x5": v for name, v in values.items()})
    report.publish("layers")
    assert [one.metrics["training_speedup/2x3x4x5"] for one in shown("layers/lstm", "layers")] == [
        4.0,
        1.0,
    ]
    view = read_view("layers/lstm", "layers")
    opened = [one["name"] for one in view["compareRunSections"] if one["display"]]
    assert opened == ["training, times as fast as Keras", "inference, times as fast as Keras"]
    assert view["groupBy"] is None
    assert server.ui_url(5000).count("viewStateShareKey=layers") == 1
    assert "| training |" in mlflow.get_experiment_by_name("layers/lstm").tags[store.NOTE]


@pytest.mark.usefixtures("store")
def test_measured_presets_have_an_arranged_page(read_view, shown):
    tags = {
        "suite": "pretrained",
        "preset": "films_gru",
        "architecture": "gru",
        "metric": "accuracy",
        "metric_signature": "how",
        "kernel": "native",
    }
    with runs.open_run("pretrained/films", "films_gru", tags, {"card": 0.9}):
        values = {"test/accuracy": 0.9, "params": 10, "load_seconds": 1, "evaluate_seconds": 1}
        runs.log_metrics({**values, "predict_ms": 2.0})
    report.publish("pretrained")
    assert len(shown("pretrained/films", "pretrained")) == 1
    kinds = [
        chart["type"] for chart in read_view("pretrained/films", "pretrained")["compareRunCharts"]
    ]
    assert kinds == ["BAR", "SCATTER", "SCATTER"]


def test_the_command_publishes_what_it_ran(suite, shown):
    arguments = ["run", "--suite", suite, "--task", "speech", "--arch", "baseline", "--epochs", "1"]
    assert command_line.main(arguments) == 0
    assert [run.tags["architecture"] for run in shown("leaderboard", "small-1-epochs")] == [
        "baseline"
    ]
