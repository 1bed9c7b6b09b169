"""Fixtures: records of runs as the store returns them, and a temporary folder of results."""

import pytest

from benchmarks.report import files
from benchmarks.tracking import store

SIGNATURE = "accuracy of 100 examples, 95 % Wilson interval"


def _record(tags, params, metrics, description=""):
    tags = {**tags, store.NOTE: description} if description else tags
    return store.Record("run", "1", tags, params, metrics)


@pytest.fixture
def run():
    """A function that makes the `Record` of an architecture's run."""

    def make(architecture, value, *, entry="sentiment", params=None, description="", **metrics):
        tags = {
            "suite": "small",
            "task": "sentiment",
            "entry": entry,
            "dataset": "films",
            "architecture": architecture,
            "metric": "accuracy",
            "metric_signature": SIGNATURE,
            "kernel": "none" if architecture == "baseline" else "native",
        }
        ends = {"test/accuracy_low": value - 0.125, "test/accuracy_high": value + 0.125}
        values = {"test/accuracy": value, **ends, "params": 1234, "train_seconds": 2.5}
        return _record(tags, params or {}, {**values, **metrics}, description)

    return make


@pytest.fixture
def timing():
    """A function that makes the `Record` of a timed implementation."""

    def make(implementation, speedup, *, shapes=("2x3x4x5",), padded=True, description=""):
        metrics = {}
        for shape in shapes:
            for mode in ("inference", "training", *["padded"] * padded):
                values = {"speedup": speedup, "low": speedup - 0.125, "high": speedup + 0.375}
                values["ms"] = 12.34 / speedup
                if mode == "padded":
                    values["part"] = 0.55
                metrics |= {f"{mode}_{name}/{shape}": value for name, value in values.items()}
        params = {"shapes": ", ".join(shapes), "implementations": "zoo, keras, torch"}
        params |= {"rounds": "7", "threads": "2"}
        tags = {"implementation": implementation, "versions": "keras 3.15.1, numpy 2.4.6"}
        return _record(tags, params, metrics, description)

    return make


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of results, next to a README with marks."""
    readme = tmp_path / "README.md"
    readme.write_text(
        "first\n<!-- best:begin -->old<!-- best:end -->\n"
        "then\n<!-- speed:begin --><!-- speed:end -->\nlast\n"
    )
    monkeypatch.setattr(files, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(files, "README", readme)
    return tmp_path / "results"
