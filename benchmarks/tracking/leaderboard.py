"""The leaderboard in MLflow: an experiment with one run per architecture and comparison."""

import time

import mlflow
from mlflow.entities import Metric

from benchmarks.tracking import charts, runs, store

NAME = "leaderboard"
COSTS = ("params/mean", "train_seconds/sum", "predict_ms/mean")


def write(comparison, standings, ranking):
    """Replaces the runs of a comparison on the leaderboard, and arranges its page.

    Args:
        comparison: str, its name, such as `"quick"`.
        standings: dict from an architecture to its metrics, a dict of float.
        ranking: list of str, the metrics `score/<data>` that rank the architectures.

    Returns:
        The id of the experiment.
    """
    client, experiment_id = mlflow.MlflowClient(), runs.experiment_id(NAME)
    mark = store.mark_name(charts.view_name(comparison))
    old = store.search([experiment_id], f"tags.`{mark}` = 'yes'")
    now, commit = int(1000 * time.time()), runs.git_commit()
    for architecture, values in standings.items():
        tags = {
            "suite": comparison,
            "architecture": architecture,
            "mlflow.runColor": runs.color(architecture),
            "git_commit": commit,
            mark: "yes",
        }
        run_id = client.create_run(experiment_id, run_name=architecture, tags=tags).info.run_id
        logged = [Metric(name, value, now, 0) for name, value in values.items()]
        client.log_batch(run_id, metrics=logged)
        client.set_terminated(run_id)
    for record in old:
        client.delete_run(record.run_id)
    names = sorted({name for values in standings.values() for name in values})
    _arrange(experiment_id, comparison, names, ranking)
    return experiment_id


def _arrange(experiment_id, comparison, names, ranking):
    """Arranges the page of these metrics: the ranking, the costs, and each task."""
    costs = [name for name in COSTS if name in names]
    mean = "score/mean"
    parts = {
        part: [name for name in names if name.startswith(f"{part}/")]
        for part in ("score", "test", "params", "train_seconds", "predict_ms")
    }
    bounds = [name for name in parts["test"] if name.endswith(("_low", "_high"))]
    values = [name for name in parts["test"] if name not in bounds]
    sections = [
        charts.Section(
            "Ranking",
            [charts.bars(mean), charts.lines([*ranking, mean])] if ranking else [],
            columns=1,
            height=260,
        ),
        charts.Section("Score and cost", [charts.points(cost, mean) for cost in costs if ranking]),
        charts.Section("Score of each task", [charts.bars(name) for name in ranking]),
        charts.Section("Test metric of each task", [charts.bars(name) for name in values]),
        *(
            charts.Section(title, [charts.bars(name) for name in shown], is_open=False)
            for title, shown in (
                ("Intervals", bounds),
                ("Parameters", parts["params"]),
                ("Training seconds", parts["train_seconds"]),
                ("Latency in milliseconds", parts["predict_ms"]),
                ("Other", ["tasks", *sorted(set(parts["score"]) - {*ranking, mean})]),
            )
        ),
    ]
    columns = [f"metrics.`{name}`" for name in (mean, *costs, *ranking)]
    charts.save(experiment_id, comparison, names, sections, (mean, False), columns)
