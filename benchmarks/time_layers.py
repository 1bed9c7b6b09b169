"""Runs a suite of layers: times them and logs one run per implementation to MLflow."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import tensorflow as tf
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import plots
from benchmarks.layers import timing
from benchmarks.tracking import runs


def run_suite(config, console):
    """Times every layer at every shape and logs the results.

    Args:
        config: a `benchmarks.config.LayersConfig`.
        console: `rich.console.Console` for progress and messages.

    Raises:
        AssertionError: an implementation's numbers differ from those of Keras.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    tf.get_logger().setLevel("ERROR")  # it warns that functions are retraced for every shape
    for family in config.layers:
        timings, missing, ran = {}, {}, {}
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task(f"layers/{family}", total=len(config.shapes))
            for shape in config.shapes:
                progress.update(bar, description=f"layers/{family} · {_name(shape)}")
                timings[_name(shape)], missing, ran = timing.measure(
                    family,
                    shape,
                    config.implementations,
                    rounds=config.rounds,
                    least_ms=config.least_ms,
                )
                progress.advance(bar)
        for name, reason in missing.items():
            console.print(
                f"layers/{family}: {name} is left out: {reason}", highlight=False, markup=False
            )
        _log(config, family, timings, missing, ran)


def _log(config, family, timings, missing, ran):
    figure = plots.speeds(timings, [name for name in config.implementations if name not in missing])
    note = "; ".join(f"{name} is left out: {reason}" for name, reason in missing.items())
    for implementation in config.implementations:
        if implementation in missing:
            continue
        tags = {
            "suite": config.suite,
            "task": "layers",
            "dataset": "random numbers",
            "architecture": family,
            "implementation": implementation,
            "kernel": ran[implementation],
            "versions": ", ".join(_versions()),
        }
        params = {
            "shapes": ", ".join(timings),
            "implementations": ", ".join(config.implementations),
            "rounds": config.rounds,
            "least_ms": config.least_ms,
            "threads": os.cpu_count(),
            "processor": platform.processor() or platform.machine(),
        }
        with runs.open_run(f"layers/{family}", implementation, tags, params):
            metrics = {}
            for shape, of_shape in timings.items():
                for (mode, name), found in of_shape.items():
                    if name == implementation:
                        faster, low, high = found.quartiles()
                        values = {"speedup": faster, "low": low, "high": high}
                        values["ms"] = found.median_ms
                        if mode == "padded":
                            values["part"] = found.part
                        metrics |= {f"{mode}_{k}/{shape}": v for k, v in values.items()}
            runs.describe(note)
            runs.log_metrics(metrics)
            runs.log_figures({"speed": figure})


def _name(shape):
    return "x".join(map(str, shape))


def _versions():
    for name in ("tensorflow", "keras", "torch", "onnxruntime", "numpy"):
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
