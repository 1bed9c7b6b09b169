"""Worker processes, which Ray starts on this machine or on the nodes of a cluster."""

import contextlib
import graphlib
import logging
import os
import signal

STARTS = 3  # starts of Ray on this machine, which gives up early if the processors are busy
RETRIES = 3  # of a call whose process or node died
SECONDS_TO_END = 20  # for cancelled calls to end by themselves
OBJECT_STORE = 100 * 2**20  # bytes of shared memory; results are a few words


class WorkerError(RuntimeError):
    """Workers can't be started, or died repeatedly. The message says what to do."""


class Pool:
    """Connected workers, each with its own processor."""

    def __init__(self):
        self._waiting = {}

    def each(self, function, calls, after):
        """Calls a function in the workers, once for each set of arguments.

        A call whose process or node dies is repeated.

        Args:
            function: a module-level function, which gets the arguments and the results of the calls
                before it.
            calls: dict from the name of a call to a tuple of its arguments.
            after: dict from the name of each call to the names of those that end before it begins.

        Yields:
            `(name, result)`, in the order in which the calls end.

        Raises:
            WorkerError: a call's workers died repeatedly.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        task = ray.remote(num_cpus=1, max_retries=RETRIES)(function)
        results = {}
        for name in graphlib.TopologicalSorter(after).static_order():
            results[name] = task.remote(*calls[name], *(results[one] for one in after[name]))
        self._waiting = {result: name for name, result in results.items()}
        while self._waiting:
            (ended,), _ = ray.wait(list(self._waiting))
            name = self._waiting.pop(ended)
            try:
                result = ray.get(ended)
            except RayTaskError as error:
                raise error.cause from None
            except RayError as error:
                raise WorkerError(
                    f"{name}: its worker died {RETRIES + 1} times ({type(error).__name__}). Fewer "
                    "workers need less memory. What is trained so far is kept; run the same "
                    "command again to continue."
                ) from error
            yield name, result

    def cancel(self):
        """Interrupts the calls that haven't ended, as Ctrl-C does, and waits for them to end."""
        import ray

        for result in self._waiting:
            ray.cancel(result)
        if self._waiting:
            ray.wait(list(self._waiting), num_returns=len(self._waiting), timeout=SECONDS_TO_END)


def address():
    """The address of the cluster to use, `RAY_ADDRESS`, or None."""
    return os.environ.get("RAY_ADDRESS")


@contextlib.contextmanager
def started(count=None):
    """Context manager: workers of the cluster at `RAY_ADDRESS`, or else on this machine.

    Args:
        count: int, number of workers on this machine.

    Yields:
        A `Pool`; None without a cluster and without two workers, to do everything in this process.

    Raises:
        WorkerError: Ray isn't installed, the cluster can't be reached, or both it and `count` are
            given.
    """
    count = None if count == 1 else count
    if not (count or address()):
        yield None
        return
    if count and address():
        raise WorkerError(
            "RAY_ADDRESS names a cluster, whose processors are its workers. Unset it, or leave out "
            "the number of workers."
        )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise WorkerError(
            "Workers need Ray: pip install -e '.[distributed]' (make bench installs it)."
        ) from error
    # What workers print isn't shown: they return what is to be printed.
    options = {"log_to_driver": False, "logging_level": logging.ERROR}
    if count:
        options |= {"num_cpus": count, "object_store_memory": OBJECT_STORE}
        options["include_dashboard"] = False
    else:
        shared = {k: v for k, v in os.environ.items() if k.startswith("MLFLOW_")}
        options["runtime_env"] = {"env_vars": shared}
    handler = signal.getsignal(signal.SIGTERM)
    for attempt in range(1, STARTS + 1):
        try:
            ray.init(address() or "local", **options)
            break
        except Exception as error:  # Ray has no class of its own for it
            ray.shutdown()
            if attempt == STARTS or address():
                hint = "" if address() else " To run without it, one run at a time: WORKERS=1."
                raise WorkerError(f"Ray can't be started: {error}.{hint}") from error
    signal.signal(signal.SIGTERM, handler)  # which Ray has replaced
    pool = Pool()
    try:
        yield pool
    finally:
        pool.cancel()
        ray.shutdown()
