"""The charts of an experiment in the MLflow UI, arranged in a saved view."""

import json

import mlflow

from benchmarks.tracking import store

VIEW = "learning-curves"


def arrange(experiment):
    """Saves a view of an experiment with the learning curves first, which `server.ui_url` opens.

    By default MLflow sorts charts by name, so `best/*` comes first. A view is a tag of the
    experiment; MLflow appends the charts that it doesn't name.

    Args:
        experiment: str, the name of an existing experiment.
    """
    found = mlflow.get_experiment_by_name(experiment)
    records = store.search([found.experiment_id], "attributes.status = 'FINISHED'")
    names = dict.fromkeys(record.tags.get("validation_metric") for record in records)
    sections = {
        name: {"uuid": name, "name": name, "display": is_open, "isReordered": True}
        for name, is_open in (
            ("val", True),
            ("train", True),
            ("test", True),
            ("Model metrics", True),
            ("best", False),
            ("System metrics", False),
        )
    }
    charts = [
        {
            "type": "LINE",
            "uuid": metric,
            "metricKey": metric,
            "metricSectionId": metric.split("/")[0],
            "isGenerated": True,
            "deleted": False,
            "lineSmoothness": 0,
            "scaleType": "linear",
            "xAxisKey": "step",
            "xAxisScaleType": "linear",
            "yAxisKey": "metric",
            "useGlobalXaxisKey": True,
            "useGlobalLineSmoothing": True,
        }
        for part in ("val", "train")
        for metric in [*(f"{part}/{name}" for name in names if name), f"{part}/loss"]
    ]
    view = {
        "compareRunCharts": charts,
        "compareRunSections": list(sections.values()),
        "isAccordionReordered": True,
    }
    mlflow.MlflowClient().set_experiment_tag(
        found.experiment_id, f"mlflow.sharedViewState.{VIEW}", json.dumps(view)
    )
