"""Times implementations against each other: in one process, in turn, as ratios to Keras."""

import dataclasses
import statistics
import time

import numpy as np

from benchmarks.layers.implementations import IMPLEMENTATIONS, Problem

MODES = ("inference", "training", "padded")
REFERENCE = "keras"
REST = 0.06  # seconds before a turn, in which the threads of the implementation before fall asleep


@dataclasses.dataclass(frozen=True)
class Timing:
    """Times of one implementation at one shape in one mode.

    Attributes:
        milliseconds: a list, the mean time of a call in each round.
        ratios: a list, how many times faster than Keras in the same round.
        part: float, of the time that training without padding takes; the median.
    """

    milliseconds: list
    ratios: list
    part: float

    def quartiles(self):
        """Median and quartiles of the ratios."""
        low, middle, high = np.percentile(self.ratios, [25, 50, 75])
        return middle, low, high

    @property
    def median_ms(self):
        return statistics.median(self.milliseconds)


def measure(family, shape, names, *, rounds, least_ms):
    """Times all implementations at one shape.

    Every implementation is first compared with Keras: outputs, and the gradient of the input.

    Args:
        family: `"lstm"`, `"gru"` or `"rnn"`.
        shape: batch, time, input and units.
        names: list of names in `IMPLEMENTATIONS`; Keras is always timed.
        rounds: int, how often each is timed, in turns.
        least_ms: float, calls are repeated in a round until so many milliseconds are over.

    Returns:
        `(timings, missing, kernels)`: a dict from `(mode, name)` to `Timing`, a dict from the name
        of an implementation that isn't installed to the reason, and one from the names of the
        others to their kernels.

    Raises:
        AssertionError: if an implementation's numbers are not Keras'.
    """
    problem = Problem(family, *shape)
    functions, missing = {}, {}
    for name in dict.fromkeys([REFERENCE, *names]):
        try:
            functions[name] = IMPLEMENTATIONS[name](problem)
        except ImportError as error:
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
            times[key].append(_milliseconds(turns[key], calls[key]))
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
        if name == "products":
            continue
        got = function()
        for a, b in [(got, expected)] if mode == "inference" else [(got[0], expected[0])]:
            a, b = np.asarray(a), np.asarray(b)
            np.testing.assert_allclose(
                a, b, rtol=0, atol=1e-4 * np.abs(b).max(), err_msg=f"{name}, {mode}"
            )


def _calls(function, least_ms):
    """So many calls that they take at least `least_ms`."""
    once = min(_milliseconds(function, 1) for _ in range(3))
    return max(1, int(np.ceil(least_ms / once)))


def _milliseconds(function, calls):
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return 1000 * (time.perf_counter() - start) / calls
