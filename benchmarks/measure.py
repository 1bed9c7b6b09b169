"""Measurements of a trained model other than its metric: latency and kernels."""

import time

import numpy as np

from zoo.layers.recurrence import RecurrentLayer


def kernels_of(model):
    """The recurrent kernels that a model used, comma-separated, such as `"native"`."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, RecurrentLayer)]
    return ", ".join(sorted({layer.last_kernel for layer in layers if layer.last_kernel}))


def latency_ms(model, example):
    """Median time from one raw input to its answer, in milliseconds, after three warm-up calls."""
    times = []
    for _ in range(13):
        start = time.perf_counter()
        model.answers([example])
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[3:]))
