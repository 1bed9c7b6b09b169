"""Times layers on a backend of Keras, next to Keras' own: python -m benchmarks.time_backends

Set `KERAS_BACKEND` to `jax` or `torch`. Outputs and gradients are first checked against Keras.
It prints the median time of a call and, in brackets, how many times faster than Keras it is.
"""

import argparse

import keras
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.layers import implementations, timing

SHAPES = [  # batch, time, input, units
    (64, 200, 128, 128),
    (32, 100, 256, 512),
    (128, 50, 64, 64),
    (16, 1000, 32, 128),
    (1, 100, 128, 256),
]
LEAST_MS = 100


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "layers", nargs="*", default=["lstm"], help="architectures, by default lstm"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each is timed")
    arguments = parser.parse_args()
    for name in set(arguments.layers) - {*implementations.FAMILIES}:
        parser.error(f"unknown layer {name}; choose from {', '.join(implementations.FAMILIES)}")
    backend = keras.backend.backend()
    names = ["zoo", "keras", *(["torch"] if backend == "torch" else [])]
    table = Table(box=box.SIMPLE, title=f"Keras' {backend} backend, milliseconds")
    for column in ("layer", "shape", "mode", "kernel", *names):
        table.add_column(column, justify="right")
    for family in arguments.layers:
        for shape in SHAPES:
            timings, _, kernels = timing.measure(
                family, shape, names, rounds=arguments.rounds, least_ms=LEAST_MS
            )
            for mode in timing.MODES:
                cells = [_cell(timings.get((mode, name))) for name in names]
                table.add_row(family, str(shape), mode, kernels["zoo"], *cells)
    Console(highlight=False).print(table)


def _cell(timed):
    if timed is None:  # torch has no masks
        return ""
    return f"{timed.median_ms:.2f} ({timed.quartiles()[0]:.2f})"


if __name__ == "__main__":
    main()
