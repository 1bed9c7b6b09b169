"""The charts of an experiment in the MLflow UI, arranged in a saved view."""

import json

import mlflow

from benchmarks.tracking import store

VIEW = "learning-curves"


def arrange(experiment):
    """Saves a view of an experiment with its curves and the learning curves first, which
    `server.ui_url` opens.

    By default MLflow sorts charts by name, so `best/*` comes first. A view is a tag of the
    experiment; MLflow appends the charts that it doesn't name.

    Args:
        experiment: str, the name of an existing experiment.
    """
    found = mlflow.get_experiment_by_name(experiment)
    records = store.search([found.experiment_id], "attributes.status = 'FINISHED'")
    curves = dict.fromkeys(name for record in records for name in store.curve_names(record))
    names = dict.fromkeys(record.tags.get("validation_metric") for record in records)
    learning = [
        metric
        for part in ("val", "train")
        for metric in [*(f"{part}/{name}" for name in names if name), f"{part}/loss"]
        if any(metric in record.metrics for record in records)
    ]
    sections = {
        name: {"uuid": name, "name": name, "display": is_open, "isReordered": True}
        for name, is_open in (
            *((_section(curve), True) for curve in curves),
            ("val", True),
            ("train", True),
            ("test", True),
            ("Model metrics", True),
            ("best", False),
            ("System metrics", False),
        )
    }
    view = {
        "compareRunCharts": [
            *(_line(metric, "log") for metric in curves),
            *(_line(metric, "linear") for metric in learning),
        ],
        "compareRunSections": list(sections.values()),
        "isAccordionReordered": True,
    }
    mlflow.MlflowClient().set_experiment_tag(
        found.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(view)
    )


def _section(metric):
    return metric.split("/")[0]


def _line(metric, x_axis):
    """A line chart of a metric over its steps, on an axis that is `"linear"` or `"log"`."""
    return {
        "type": "LINE",
        "uuid": metric,
        "metricKey": metric,
        "metricSectionId": _section(metric),
        "isGenerated": True,
        "deleted": False,
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisKey": "step",
        "xAxisScaleType": x_axis,
        "yAxisKey": "metric",
        "useGlobalXaxisKey": x_axis == "linear",
        "useGlobalLineSmoothing": True,
    }
