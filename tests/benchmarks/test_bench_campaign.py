"""Benches that are ended at random moments, or run at once, leave what one alone leaves.

`BENCH_KILLS` is the number of benches to end by SIGKILL, SIGTERM and Ctrl-C in turn, each with a
new store, cache and folder of kernels. This takes minutes: `make test ARGS="-m slow"`.
"""

import collections
import contextlib
import os
import random
import signal
import time

import pytest
from bench_processes import finish, leftovers, metrics, output, runs, small_suite, start

from zoo.layers.kernels import build

BENCH_KILLS = int(os.environ.get("BENCH_KILLS", 24))
SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
# What shows that a part of a bench has begun: its start, the store, the data, the first run.
PARTS = ("output.txt", "mlruns/.mlflow.db.lock", "cache/tfds/folder", "mlruns/checkpoints/*")
# A compiler whose work is done by a child, as that of g++, and which yields a library made before.
COMPILER = """#!/bin/sh
for word; do
  case $before in -o) sleep 3 & wait; cp '{library}' "$word"; exit;; esac
  before=$word
done
echo 1.0
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    return small_suite(tmp_path_factory.mktemp("suite"), epochs=2)


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    path = tmp_path_factory.mktemp("compiler") / "c++"
    path.write_text(COMPILER.format(library=build.build()))
    path.chmod(0o755)
    return str(path)


def environment(root, compiler):
    return {"ZOO_CACHE_DIR": str(root / "kernels"), "CXX": compiler}


def wait_for(root, part, process):
    """Waits until a part of the bench has begun, or the bench has ended."""
    while not list(root.glob(part)) and process.is_alive():
        time.sleep(0.02)


@pytest.fixture(scope="module")
def uninterrupted(suite, compiler, tmp_path_factory):
    """The metrics of each run by its title, and the seconds that each part lasts to the end."""
    root = tmp_path_factory.mktemp("uninterrupted")
    process = start(root, suite, **environment(root, compiler))
    began = []
    for part in PARTS:
        wait_for(root, part, process)
        began.append(time.monotonic())
    finish(root, process)
    end = time.monotonic()
    return finished(root), [end - moment for moment in began]


def finished(root):
    """The metrics of the finished runs by architecture and seed, one each; no run is going on."""
    records, status = runs(root)
    assert "RUNNING" not in status.values()
    told = [
        ((one.tags["architecture"], one.tags["seed"]), metrics(one))
        for one in records
        if status[one.run_id] == "FINISHED"
    ]
    assert len(dict(told)) == len(told)
    assert leftovers(root) == []
    return dict(told)


@pytest.fixture(scope="module")
def counts():
    """How many benches were ended, by the signal and the exit status; printed at the end."""
    counted = collections.Counter()
    yield counted
    print(f"Ended benches: {sum(counted.values())}, {dict(counted)}")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(BENCH_KILLS))
def test_a_bench_that_was_ended_is_finished_by_the_next(
    suite, compiler, uninterrupted, counts, number, tmp_path
):
    expected, seconds = uninterrupted
    ending = list(SIGNALS)[number % len(SIGNALS)]
    part = number // len(SIGNALS) % len(PARTS)
    next_part = seconds[part + 1] if part + 1 < len(PARTS) else 0
    process = start(tmp_path, suite, **environment(tmp_path, compiler))
    wait_for(tmp_path, PARTS[part], process)
    time.sleep(random.Random(number).uniform(0, seconds[part] - next_part))
    with contextlib.suppress(ProcessLookupError):  # it has ended
        os.kill(process.pid, ending)
    process.join(120)
    status = process.exitcode
    counts[ending.name, PARTS[part], status] += 1
    # One that had ended has the status 0, and one that hadn't begun that of the signal alone.
    assert status in (SIGNALS[ending], -ending, 0), output(tmp_path)
    finish(tmp_path, start(tmp_path, suite, **environment(tmp_path, compiler)))
    assert finished(tmp_path) == expected


@pytest.mark.slow
def test_benches_at_once_train_each_configuration_once(suite, compiler, tmp_path):
    for seeds in (1, 2):  # without a store, then with one
        choices = ["--seeds", str(seeds), "--arch", "gru,rnn"]
        benches = [
            start(tmp_path, suite, *choices, **environment(tmp_path, compiler)) for _ in range(3)
        ]
        finish(tmp_path, *benches)
        expected = {(name, str(seed)) for name in ("gru", "rnn") for seed in range(seeds)}
        assert finished(tmp_path).keys() == expected
        assert len(runs(tmp_path)[0]) == len(expected)
