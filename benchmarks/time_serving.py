"""Load test of a server of a pretrained text classifier: python -m benchmarks.time_serving

wrk, which must be installed (`apt-get install wrk`), keeps 32 connections busy with single
sentences of rotten_tomatoes. The script prints requests per second, latencies, answers that
weren't 200, the server's memory before and after, and how long it takes to stop under load.
"""

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console

from zoo import datasets

CLIENTS = 32
SENTENCES = 500
WARM_UP, LOAD, STOP = 10, 60, 5  # seconds of load
SCRIPT = """
local bodies, next = {}, 0
for line in io.lines("%s") do table.insert(bodies, line) end
request = function()
  next = next %% #bodies + 1
  return wrk.format("POST", "/answers", {["Content-Type"] = "application/json"}, bodies[next])
end
done = function(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    'SUMMARY {"requests": %%d, "seconds": %%f, "p50": %%f, "p99": %%f, ' ..
    '"refused": %%d, "lost": %%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, errors.status, errors.connect + errors.read + errors.timeout))
end
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="imdb_lstm", help="by default imdb_lstm")
    preset = parser.parse_args().preset
    if shutil.which("wrk") is None:
        sys.exit("wrk isn't installed. Try: apt-get install wrk")
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory() as folder, _server(preset) as (server, address):
        script = Path(folder, "load.lua")
        bodies = Path(folder, "bodies.txt")
        bodies.write_text("\n".join(json.dumps({"inputs": [text]}) for text in _sentences()))
        script.write_text(SCRIPT % bodies)
        load = lambda seconds: _load(address, script, seconds)
        load(WARM_UP)
        process = psutil.Process(server.pid)
        before = process.memory_info().rss
        result = load(LOAD)
        grown = process.memory_info().rss - before
        console.print(
            f"{preset}, {CLIENTS} clients: "
            f"{result['requests'] / result['seconds']:.0f} requests/s, "
            f"latency {result['p50']:.1f} ms (median) and {result['p99']:.1f} ms (99 %)."
        )
        console.print(
            f"{result['requests']:,} requests: {result['refused']} refused, {result['lost']} lost; "
            f"memory {before / 1e6:.0f} MB, {grown / 1e6:+.1f} MB after them."
        )
        stopping = subprocess.Popen(_command(address, script, STOP), stdout=subprocess.DEVNULL)
        time.sleep(STOP / 2)
        start = time.perf_counter()
        server.send_signal(signal.SIGTERM)
        server.wait(60)
        console.print(f"Stopped under load in {time.perf_counter() - start:.1f} s.")
        stopping.wait()


@contextlib.contextmanager
def _server(preset):
    """A running `zoo serve`: its process and its address."""
    command = [sys.executable, "-m", "zoo", "serve", preset, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().split()[-1]
        finally:
            process.kill()


def _sentences():
    test = datasets.builder("rotten_tomatoes")
    test.download_and_prepare()
    examples = test.as_dataset(split=f"test[:{SENTENCES}]").as_numpy_iterator()
    return [example["text"].decode() for example in examples]


def _command(address, script, seconds):
    options = ["--threads", "1", "--connections", str(CLIENTS), "--duration", f"{seconds}s"]
    return ["wrk", *options, "--script", str(script), address]


def _load(address, script, seconds):
    command = _command(address, script, seconds)
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (line,) = [line for line in output.splitlines() if line.startswith("SUMMARY ")]
    return json.loads(line.removeprefix("SUMMARY "))


if __name__ == "__main__":
    main()
