"""Times implementations in turn, in one process, relative to Keras."""

import dataclasses
import statistics
import time

import numpy as np

from benchmarks.layers.implementations import IMPLEMENTATIONS, Problem

MODES = ("inference", "training", "padded")
REFERENCE = "keras"
# These compute different numbers.
BOUNDS = (
    "products",
    "lstm_per_operation",
    "zoo_int8",
    "zoo_bfloat16",
    "torch_int8",
    "onnxruntime_int8",
)
REST = 0.06  # seconds for the previous implementation's threads to stop spinning
TOLERANCE = 1e-4  # difference from Keras, relative to the size of the numbers


@dataclasses.dataclass(frozen=True)
class Timing:
    """Times of one implementation at one shape in one mode.

    Attributes:
        milliseconds: list of float, the mean time of a call in each round.
        ratios: list of float, the speed relative to Keras in each round.
        part: float, the median time relative to training without a mask; NaN without training.
    """

    milliseconds: list
    ratios: list
    part: float

    def quartiles(self):
        """The median and quartiles of the ratios, `(median, low, high)`."""
        low, middle, high = np.percentile(self.ratios, [25, 50, 75])
        return middle, low, high

    @property
    def median_ms(self):
        """The median time of a call, in milliseconds."""
        return statistics.median(self.milliseconds)


def measure(family, shape, names, *, rounds, least_ms):
    """Times implementations of one layer at one shape.

    First, the outputs and input gradients of each implementation are compared with those of Keras.

    Args:
        family: one of `benchmarks.layers.implementations.FAMILIES`.
        shape: batch, time, input and units.
        names: list of names in `IMPLEMENTATIONS`; Keras is always timed too.
        rounds: int, how often each implementation is timed, in turn.
        least_ms: float; in a round, calls are repeated for at least this many milliseconds.

    Returns:
        `(timings, missing, kernels)`: a dict from `(mode, name)` to `Timing`, a dict from the name
        of each implementation that is left out to the reason, and a dict from the names of the
        others to the kernel that ran.

    Raises:
        AssertionError: an implementation's numbers differ from those of Keras.
    """
    problem = Problem(family, *shape)
    functions, missing = {}, {}
    for name in dict.fromkeys([REFERENCE, *names]):
        try:
            functions[name] = IMPLEMENTATIONS[name](problem)
        except (ImportError, NotImplementedError) as error:
            missing[name] = str(error)
    for mode in MODES:
        _compare(mode, {name: found[mode] for name, found in functions.items() if mode in found})
    turns = {
        (mode, name): found[mode]
        for mode in MODES
        for name, found in functions.items()
        if mode in found
    }
    calls = {key: _calls(function, least_ms) for key, function in turns.items()}
    times = {key: [] for key in turns}
    for number in range(rounds):
        first = number % len(turns)
        for key in [*turns][first:] + [*turns][:first]:
            time.sleep(REST)
            scale = functions[key[1]].get("scale", 1)
            times[key].append(scale * _milliseconds(turns[key], calls[key]))
    timings = {}
    for (mode, name), series in times.items():
        ratios = np.divide(times[mode, REFERENCE], series).tolist()
        part = float(np.median(np.divide(series, times.get(("training", name), np.nan))))
        timings[mode, name] = Timing(series, ratios, part)
    kernels = {name: found.get("kernel", "none") for name, found in functions.items()}
    return timings, missing, kernels


def _compare(mode, functions):
    expected = functions[REFERENCE]()
    for name, function in functions.items():
        if name in BOUNDS:
            continue
        got = function()
        for a, b in [(got, expected)] if mode == "inference" else [(got[0], expected[0])]:
            a, b = np.asarray(a), np.asarray(b)
            # Not each number: over a thousand steps without a forget gate, rounding grows.
            error = np.sqrt(np.mean(np.square(a - b)) / np.mean(np.square(b)))
            if not error <= TOLERANCE:
                raise AssertionError(
                    f"{name}, {mode}: the numbers differ from those of Keras by {error:.1e} of "
                    f"their size (root mean square), more than {TOLERANCE:.0e}."
                )


def _calls(function, least_ms):
    """The number of calls that take at least `least_ms` milliseconds."""
    once = min(_milliseconds(function, 1) for _ in range(3))
    return max(1, int(np.ceil(least_ms / once)))


def _milliseconds(function, calls):
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return 1000 * (time.perf_counter() - start) / calls
