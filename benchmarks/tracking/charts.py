"""The pages of experiments in the MLflow UI: charts and a table, arranged in saved views.

A view is a tag of its experiment, in MLflow's own format. `url` opens it, as does the page's menu
*Views*. Metrics without a chart in it follow in collapsed sections named after their first part.
"""

import base64
import dataclasses
import json
import re
import time
import zlib

import mlflow

from benchmarks import metrics
from benchmarks.tracking import store

PREFIX = "mlflow.sharedViewState."
COSTS = ("params", "train_seconds", "predict_ms")
# MLflow's names for the sections of metrics whose names have no first part, and of the system.
SECTIONS = {"": "Model metrics", "system": "System metrics"}


@dataclasses.dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        name: str.
        charts: list of dict, as `bars`, `points`, `curve` and `lines` make them.
        columns: int, how many charts are side by side.
        height: int, the height of a chart in pixels.
        is_open: bool.
    """

    name: str
    charts: list
    columns: int = 3
    height: int = 330
    is_open: bool = True


def compare(experiment_id, comparison, records, grouped=True):
    """Arranges the comparison of a task: the test metric, its costs, and learning curves.

    Args:
        experiment_id: str.
        comparison: str, the name of the comparison, such as `"quick"`.
        records: list of the `Record` compared; other runs of the experiment aren't shown.
        grouped: bool, whether the seeds of an architecture are shown as their mean.
    """
    metric = metrics.get(records[0].tags["metric"])
    test = f"test/{metric.name}"
    costs = [name for name in COSTS if any(name in record.metrics for record in records)]
    validation = dict.fromkeys(record.tags.get("validation_metric") for record in records)
    learning = [
        name
        for part in ("val", "train")
        for name in [*(f"{part}/{name}" for name in validation if name), f"{part}/loss"]
        if any(name in record.metrics for record in records)
    ]
    by_step = dict.fromkeys(name for record in records for name in store.curve_names(record))
    save(
        experiment_id,
        comparison,
        store.metric_names(records),
        [
            Section("Test", [bars(test), *(points(cost, test) for cost in costs)], columns=2),
            Section("By step", [curve(name, "log") for name in by_step]),
            Section("Learning curves", [curve(name) for name in learning], columns=2),
        ],
        order=(test, not metric.higher_is_better),
        columns=[*(f"metrics.`{name}`" for name in (test, *costs)), "attributes.`Dataset`"],
        group="architecture" if grouped else None,
    )
    store.mark(experiment_id, view_name(comparison), records)


def speeds(experiment_id, comparison, records):
    """Arranges the timings of layers: the speed relative to Keras, one chart per mode and shape.

    Args:
        experiment_id, comparison, records: see `compare`.
    """
    names = store.metric_names(records)
    modes = dict.fromkeys(name.split("_speedup/")[0] for name in names if "_speedup/" in name)
    sections = [
        Section(f"{mode}, times as fast as Keras", [bars(name) for name in of_mode])
        for mode in sorted(modes, reverse=True)  # training first
        if (of_mode := [name for name in names if name.startswith(f"{mode}_speedup/")])
    ]
    shown = [chart["metricKey"] for section in sections for chart in section.charts]
    others = Section("Times", [bars(name) for name in names if name not in shown], is_open=False)
    columns = [f"metrics.`{name}`" for name in shown]
    save(experiment_id, comparison, names, [*sections, others], (shown[0], False), columns)
    store.mark(experiment_id, view_name(comparison), records)


def save(experiment_id, comparison, names, sections, order, columns, group=None):
    """Saves the view of a comparison, which shows the runs that `store.mark` marks for it.

    Args:
        experiment_id, comparison: see `compare`.
        names: list of str, the metrics of these runs. Those without a chart are in collapsed
            sections.
        sections: list of `Section`; empty ones are left out.
        order: `(metric, ascending)`, by which runs, and so bars, are sorted.
        columns: list of str, the columns of the table.
        group: str or None, the parameter whose values are shown as the mean of their runs.
    """
    sections = [section for section in sections if section.charts]
    own = [
        {
            "uuid": section.name,
            "name": section.name,
            "display": section.is_open,
            "isReordered": True,
            "columns": section.columns,
            "cardHeight": section.height,
        }
        for section in sections
    ]
    charts = [
        {**chart, "metricSectionId": section.name}
        for section in sections
        for chart in section.charts
    ]
    charted = {chart.get("metricKey") for chart in charts}
    first_parts = dict.fromkeys(name.rpartition("/")[0] for name in names if name not in charted)
    others = [
        {"uuid": f"other {name}", "name": name, "display": False, "isReordered": True}
        for name in (SECTIONS.get(part, part) for part in first_parts)
    ]
    metric, ascending = order
    key = {"mode": "param", "groupByData": group}
    view = {
        "searchFilter": f"tags.`{store.mark_name(view_name(comparison))}` = 'yes'",
        "orderByKey": f"metrics.`{metric}`",
        "orderByAsc": ascending,
        "runsHiddenMode": "SHOW_ALL",
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [key]} if group else None,
        "selectedColumns": columns,
        "compareRunCharts": charts,
        "compareRunSections": own + others,
        "isAccordionReordered": True,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(view).encode())).decode()
    saved = {"name": comparison, "createdAt": int(1000 * time.time()), "state": f"deflate;{packed}"}
    mlflow.MlflowClient().set_experiment_tag(
        experiment_id, f"{PREFIX}{view_name(comparison)}", json.dumps(saved)
    )


def view_name(comparison):
    """The name of the view of a comparison: `quick-8-epochs` for `quick, 8 epochs`."""
    return re.sub(r"\W+", "-", comparison)


def url(experiment_id, view):
    """The address of an arranged page, relative to the server."""
    return (
        f"#/experiments/{experiment_id}/runs?compareRunsMode=CHART&viewStateShareKey={view}"
        "&workflowType=machine_learning"
    )


def bars(metric):
    """A chart with a bar for the last value of a metric, for each run or group."""
    return _chart("BAR", metric, metricKey=metric)


def points(x, y):
    """A chart with a point for each run or group, of two metrics."""
    axes = {"xaxis": {"key": x, "type": "METRIC"}, "yaxis": {"key": y, "type": "METRIC"}}
    return _chart("SCATTER", f"{y} against {x}", runsCountToCompare=100, **axes)


def lines(metrics):
    """A chart of parallel axes, one for each metric, with a line for each run. It shows no
    groups."""
    return _chart("PARALLEL", "parallel", selectedMetrics=metrics, selectedParams=[])


def curve(metric, x_axis="linear"):
    """A chart of a metric over its steps, on an axis that is `"linear"` or `"log"`."""
    return _chart(
        "LINE",
        metric,
        metricKey=metric,
        lineSmoothness=0,
        scaleType="linear",
        xAxisKey="step",
        xAxisScaleType=x_axis,
        yAxisKey="metric",
        useGlobalXaxisKey=x_axis == "linear",
        useGlobalLineSmoothing=True,
    )


def _chart(kind, name, **options):
    return {"type": kind, "uuid": name, "isGenerated": False, "deleted": False, **options}
