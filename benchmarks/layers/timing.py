"""Times contenders against each other: in one process, in turn, as ratios to Keras."""

import dataclasses
import statistics
import time

import numpy as np

from benchmarks.layers.contenders import CONTENDERS, Problem

MODES = ("inference", "training")
REFERENCE = "keras"
REST = 0.06  # seconds before a contender's turn, in which the threads of the one before fall asleep


@dataclasses.dataclass(frozen=True)
class Timing:
    """Times of one contender at one shape in one mode.

    Attributes:
        milliseconds: a list, the mean time of a call in each round.
        ratios: a list, how many times faster than Keras in the same round.
    """

    milliseconds: list
    ratios: list

    def quartiles(self):
        """Median and quartiles of the ratios."""
        low, middle, high = np.percentile(self.ratios, [25, 50, 75])
        return middle, low, high

    @property
    def median_ms(self):
        return statistics.median(self.milliseconds)


def measure(family, shape, names, *, rounds, least_ms):
    """Times all contenders at one shape.

    Every contender is first compared with Keras: outputs, and the gradient of the input.

    Args:
        family: `"lstm"`, `"gru"` or `"rnn"`.
        shape: batch, time, input and units.
        names: list of names in `CONTENDERS`; Keras is always timed.
        rounds: int, how often each is timed, in turns.
        least_ms: float, calls are repeated in a round until so many milliseconds are over.

    Returns:
        `(timings, missing)`: a dict from `(mode, name)` to `Timing`, and a dict from the name of
        a contender that isn't installed to the reason.

    Raises:
        AssertionError: if a contender's numbers are not Keras'.
    """
    problem = Problem(family, *shape)
    functions, missing = {}, {}
    for name in dict.fromkeys([REFERENCE, *names]):
        try:
            functions[name] = CONTENDERS[name](problem)
        except ImportError as error:
            missing[name] = str(error)
    timings = {}
    for mode in MODES:
        of_mode = {name: found[mode] for name, found in functions.items() if mode in found}
        _compare(mode, of_mode)
        calls = {name: _calls(function, least_ms) for name, function in of_mode.items()}
        times = {name: [] for name in of_mode}
        for number in range(rounds):
            turn = number % len(of_mode)
            order = [*of_mode][turn:] + [*of_mode][:turn]
            for name in order:
                time.sleep(REST)
                times[name].append(_milliseconds(of_mode[name], calls[name]))
        for name, series in times.items():
            ratios = [k / own for k, own in zip(times[REFERENCE], series, strict=True)]
            timings[mode, name] = Timing(series, ratios)
    return timings, missing


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
