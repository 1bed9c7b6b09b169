"""Compares layers with those of Keras on a GPU, in values and times: python -m benchmarks.gpu_check

Set `KERAS_BACKEND` to `tensorflow`, `jax` or `torch`. It takes less than three minutes, and fails
if values differ.
"""

import itertools
import statistics
import sys
import time

import keras
import numpy as np
from keras import ops
from rich import box
from rich.console import Console
from rich.table import Table

import zoo

SHAPES = [(32, 100, 256, 512), (64, 200, 128, 128), (1, 100, 128, 256)]  # batch, time, input, units
TOLERANCE = 1e-3  # cuDNN computes float32 products with ten bits of precision by default
SECONDS = 120  # after which nothing more is timed
ROUNDS, STEPS = 5, 10


def main():
    console, start = Console(), time.perf_counter()
    table = Table(box=box.SIMPLE, title=f"Keras' {keras.backend.backend()} backend, {device()}")
    for column in ("layer", "shape", "mask", "kernel", "difference", "zoo, ms", "Keras, ms"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    is_equal = True
    for name, shape, masked in itertools.product(("LSTM", "GRU"), SHAPES, (False, True)):
        if time.perf_counter() - start > SECONDS:
            console.print("Out of time; the rest isn't compared.")
            break
        row, difference = compare(name, shape, masked)
        is_equal &= difference < TOLERANCE
        table.add_row(*row)
    console.print(table)
    return 0 if is_equal else 1


def device():
    """The device that Keras computes on, for the title."""
    if keras.backend.backend() == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return keras.distribution.list_devices()[0]


def compare(name, shape, masked):
    """The row of the table for one layer and shape, and the largest difference of predictions."""
    batch, steps, features, units = shape
    generator = np.random.default_rng(0)
    x = generator.normal(size=(batch, steps, features)).astype("float32")
    mask = np.arange(steps) < generator.integers(1, steps + 1, (batch, 1))
    models = []
    for module in (zoo.layers, keras.layers):
        layer = getattr(module, name)(units, return_sequences=True)
        inputs = keras.Input((steps, features))
        mask_input = keras.Input((steps,), dtype="bool")
        outputs = layer(inputs, mask=mask_input if masked else None)
        model = keras.Model([inputs, mask_input], outputs)
        model.compile("sgd", "mse")
        models.append(model)
    ours, theirs = models
    ours.set_weights(theirs.get_weights())
    inputs = [x, mask if masked else np.ones_like(mask)]
    kept = inputs[1]
    found, expected = (model.predict_on_batch(inputs)[kept] for model in models)
    difference = float(np.abs(found - expected).max())
    y = np.zeros((batch, steps, units), "float32")
    times = [[], []]
    for model in models:
        model.train_on_batch(inputs, y)
    for _ in range(ROUNDS):
        for model, of_model in zip(models, times, strict=True):
            began = time.perf_counter()
            for _ in range(STEPS):
                loss = model.train_on_batch(inputs, y)
            ops.convert_to_numpy(loss)
            of_model.append(1000 * (time.perf_counter() - began) / STEPS)
    kernel = next(layer.last_kernel for layer in ours.layers if hasattr(layer, "last_kernel"))
    medians = [f"{statistics.median(of_model):.2f}" for of_model in times]
    row = (name, str(shape), "right" if masked else "none", kernel, f"{difference:.1e}", *medians)
    return row, difference


if __name__ == "__main__":
    sys.exit(main())
