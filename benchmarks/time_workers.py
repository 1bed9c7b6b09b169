"""Times runs on one and on several nodes: python -m benchmarks.time_workers

The nodes are Ray nodes with one processor each, all on this machine, and log to one MLflow server.
Each line is a whole `python -m benchmarks run` in a new store. The target is the time of one run,
times the runs per node; anything above it is the overhead of several nodes. Leave the machine idle
otherwise.
"""

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time

from rich.console import Console

from benchmarks.tracking import server


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=4, help="runs of one model, by default 4")
    parser.add_argument("--nodes", type=int, default=2, help="by default 2")
    parser.add_argument("--task", default="language_modelling", help="an entry of the suite quick")
    parser.add_argument("--arch", default="gru")
    options = parser.parse_args()
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    console = Console(highlight=False)
    one = _seconds(1, 1, options)
    console.print(f"1 run on 1 node: {one:.1f} s.")
    several = _seconds(options.runs, options.nodes, options)
    target = one * options.runs / options.nodes
    console.print(
        f"{options.runs} runs on {options.nodes} nodes: {several:.1f} s, {several / target:.2f} "
        f"times {options.runs}/{options.nodes} of it."
    )


def _seconds(runs, nodes, options):
    """The wall time of a bench with this many seeds on this many nodes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        server.of_folder(folder) as tracking,
        _cluster(nodes) as cluster,
    ):
        command = [
            *(sys.executable, "-m", "benchmarks", "run", "--suite", "quick"),
            *("--task", options.task, "--arch", options.arch, "--seeds", str(runs)),
        ]
        own = {"RAY_ADDRESS": cluster, "MLFLOW_TRACKING_URI": tracking, "ZOO_RUNS_DIR": folder}
        start = time.perf_counter()
        subprocess.run(command, env=os.environ | own, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


@contextlib.contextmanager
def _cluster(nodes):
    """The address of a cluster whose head has no processor."""
    from ray.cluster_utils import Cluster  # which reads the token

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=1)
        yield cluster.address
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main()
