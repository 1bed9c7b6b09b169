"""Runs a suite: trains, evaluates and logs each configuration, in turn or side by side."""

import contextlib
import functools
import os
import platform
import threading

import filelock
import keras
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks import interrupts, plots
from benchmarks.config import is_baseline
from benchmarks.data import task_of
from benchmarks.measure import kernels_of, latency_ms
from benchmarks.recipes import Training, train
from benchmarks.recipes.run_log import RunLog
from benchmarks.recipes.step import reused, total_epochs
from benchmarks.tracking import descriptions, models, runs, store
from zoo import plot_gates
from zoo.datasets.errors import DatasetError
from zoo.layers.kernels import build


def run_suite(configs, console, rerun=False, pool=None):
    """Runs the configurations that have no finished run yet, and registers champions.

    Several processes on a machine may run the same suite: each configuration is trained by one.

    Args:
        configs: list of `RunConfig`.
        console: `rich.console.Console` for messages.
        rerun: bool, whether to run finished configurations again, from the start.
        pool: `benchmarks.workers.Pool` to train side by side, or None for one after the other.
    """
    threading.Thread(target=_build_kernels, daemon=True).start()
    configs = _runnable(configs, console)
    named = {
        f"[{number}/{len(configs)}] {config.experiment} · {config.title}": config
        for number, config in enumerate(configs, 1)
    }
    run_each = functools.partial(_side_by_side, pool) if pool else _in_turn
    # Runs that another process is training are checked again when everything else is done.
    taken = _reported(run_each(named, console, rerun), console)
    for name in taken:
        console.print(f"{name}: another process is training it; waiting", highlight=False)
    left = {name: config for name, config in named.items() if name in taken}
    _reported(run_each(left, console, timeout=-1), console)
    folds = {config.experiment: config.splits.folds for config in configs}
    with store.claim("champions"):
        for experiment in folds:
            if not folds[experiment]:  # models of different folds aren't comparable
                models.register_champion(experiment)


def _in_turn(named, console, rerun=False, timeout=0):
    """Runs configurations one after the other, with a progress bar for each.

    Args:
        named: dict from the name of a run in messages to its `RunConfig`.
        console, rerun: see `run_suite`.
        timeout: see `_run_unless_taken`.

    Yields:
        `(name, outcome)`, see `_run_unless_taken`.
    """
    for name, config in named.items():
        with progress_bar(name, console) as update:
            outcome = _run_unless_taken(config, rerun, timeout, update)
        yield name, outcome


def _side_by_side(pool, named, console, rerun=False, timeout=0):
    """Like `_in_turn`, in the workers of a pool, with one progress bar for all."""
    calls = {name: (config, rerun, timeout) for name, config in named.items()}
    by_digest = {config.digest: name for name, config in named.items()}
    after = {
        name: [by_digest[one.digest] for one in reused(config) if one.digest in by_digest]
        for name, config in named.items()
    }
    with progress_bar(f"{len(named)} runs", console) as update:
        for done, (name, outcome) in enumerate(pool.each(_run_in_worker, calls, after), 1):
            yield name, outcome
            update(total=len(named), completed=done)


def _run_in_worker(config, rerun, timeout, *earlier):
    """`_run_unless_taken` in a worker, unless an earlier run whose model it reuses is taken."""
    if None in earlier:
        return None
    prepare_worker()
    with interrupts.handled():
        return _run_unless_taken(config, rerun, timeout)


@functools.cache
def prepare_worker():
    """Prepares this process once; the returned claim is held until the process ends."""
    claim = _own_processor()
    store.connect()
    return claim


def _own_processor():
    """Pins this process to a processor that no other worker on this machine has, if one is free.

    The native kernels and Keras' backend later create a thread per processor that they may use.

    Returns:
        The claim of the processor, or None.
    """
    for processor in sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else ():
        claim = store.claim(f"processor {processor} of {platform.node()}")
        with contextlib.suppress(filelock.Timeout):
            claim.acquire(timeout=0)
            os.sched_setaffinity(0, {processor})
            return claim
    return None


def _reported(outcomes, console):
    """Prints each outcome as it arrives; returns the names of the runs that are taken, a list."""
    taken = []
    for name, outcome in outcomes:
        if outcome is None:
            taken.append(name)
            continue
        text, warnings = outcome
        console.print(f"{name}: {text}", highlight=False)
        for warning in warnings:
            console.print(f"  {warning}", style="yellow", highlight=False, soft_wrap=True)
    return taken


def _run_unless_taken(config, rerun=False, timeout=0, update=lambda **progress: None):
    """Runs a configuration unless it is finished, or another process on this machine is training
    it.

    Args:
        config: `RunConfig`.
        rerun: see `run_suite`.
        timeout: float, seconds to wait for the other process; negative for as long as it takes.
        update: see `run_one`.

    Returns:
        `(text, warnings)`, what to print about the finished run; None if another process is
        training it.
    """
    interrupts.check()
    task, digest = task_of(config)
    try:
        claim = store.claim(f"{config.digest} {digest}").acquire(timeout=timeout)
    except filelock.Timeout:
        return None
    with claim:
        finished = None if rerun else store.find_finished(config, digest)
        if finished:
            return f"already finished, at commit {finished.tags['git_commit'][:12]}", ()
        evaluation = run_one(config, task, digest, update, rerun)
    return f"{task.metric.name} {evaluation.value:.4g}", evaluation.warnings


@contextlib.contextmanager
def progress_bar(name, console):
    """Context manager that shows a progress bar on a terminal, and yields the function that
    updates it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        yield functools.partial(progress.update, progress.add_task(name, total=None))


def _runnable(configs, console):
    """Prepares and checks the data of all configurations before the first of them is trained.

    Returns:
        The configurations, without those whose dataset is optional and isn't available.

    Raises:
        DatasetError: a dataset isn't available, or doesn't suit its entry of the suite.
    """
    missing, checked, runnable = set(), set(), []
    for config in configs:
        if config.if_available and config.dataset in missing:
            continue
        try:
            task, _ = task_of(config)
        except DatasetError as error:
            if not config.if_available:
                raise
            missing.add(config.dataset)
            console.print(f"{config.experiment}: skipped. {error}", highlight=False, soft_wrap=True)
            continue
        if config.model is not None and config.entry not in checked:
            try:
                task.check(config)
            except DatasetError as error:
                raise DatasetError(f"{config.experiment}: {error}") from error
            checked.add(config.entry)
        runnable.append(config)
    return runnable


def run_one(config, task, dataset_digest, update=lambda **progress: None, rerun=False):
    """Trains, evaluates and logs one configuration.

    A killed run resumes from its last checkpoint, and ensemble members with a finished run of their
    own are reused, unless `rerun` is True.

    Args:
        config: `RunConfig`.
        task: `Task` with the data.
        dataset_digest: str, SHA-256 of the whole dataset.
        update: called with `total` and `completed`, in epochs, as training progresses.
        rerun: bool, whether to start from scratch.

    Returns:
        The `Evaluation` on the test split.
    """
    killed = None if rerun else store.find_killed(config, dataset_digest)
    find = lambda member: None if rerun else models.find_trained(member, dataset_digest)
    requested, config = config, resolve(config, task)
    with runs.run(config, requested, task, dataset_digest, killed) as run:
        if is_baseline(config.architecture):
            return _log_baseline(requested, task, getattr(task, config.architecture)())
        keras.utils.clear_session()
        log = RunLog(
            task.validation_metric,
            config.quality,
            total_epochs(config.recipe),
            update,
            run.log_epoch,
        )
        training = Training(config, task, log, run.checkpoints, config.seed, find)
        with _dtype_policy(config.dtype):
            trained = train(training, config.recipe)
            _log_training(log, trained)
            evaluation = trained.evaluation or task.evaluate(trained.model, config)
        runs.log_evaluation(task.metric, evaluation)
        _log_model(trained.model, task)
        runs.describe(descriptions.of_run(requested, task, evaluation))
        return evaluation


@contextlib.contextmanager
def _dtype_policy(name):
    """Layers without their own policy use this one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def resolve(config, task):
    """The configuration with the units that `equal_parameters` implies.

    The units are chosen so that the model has, as nearly as possible, as many parameters as that
    architecture with the configured units (compare K. Greff et al., "LSTM: A Search Space Odyssey",
    2017).

    Args:
        config: `RunConfig`.
        task: `Task` with the data.

    Returns:
        A `RunConfig`; `config` itself without `equal_parameters`.
    """
    if config.equal_parameters is None:
        return config
    units = _units_of_equal_size(task, config.model_copy(update={"seed": 0}))
    return config.model_copy(update={"model": config.model.model_copy(update={"units": units})})


def _build_kernels():
    """Compiles the native kernels while data is fetched and baselines are fitted.

    Loading them is left to the main thread: TensorFlow imports parts of itself on first use, which
    two threads must not do at once.
    """
    with contextlib.suppress(Exception):  # failures here recur and are reported on first use
        build.build()


@functools.cache
def _units_of_equal_size(task, config):
    """Bisects for the number of units with the nearest parameter count, which grows with it."""

    @functools.cache
    def parameters(architecture, units):
        model = config.model.model_copy(update={"units": units})
        update = {"architecture": architecture, "model": model}
        return task.build(config.model_copy(update=update)).count_params()

    wanted = parameters(config.equal_parameters, config.model.units)
    count = functools.partial(parameters, config.architecture)
    low, high = 1, 1
    while count(high) < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < wanted else (low, middle)
    return min((low, high), key=lambda units: abs(count(units) - wanted))


def _log_training(log, trained):
    to_quality = log.seconds_to_quality
    runs.log_metrics(
        {
            "train_seconds": log.seconds,
            "examples_per_second": log.examples_per_second,
            **{f"best/{name}": value for name, value in trained.best.items()},
            **({} if to_quality is None else {"seconds_to_quality": to_quality}),
            **log.metrics,
        }
    )
    for name, note in log.notes.items():
        runs.log_tag(name, note)
    runs.log_figures({"learning_curve": plots.learning_curve(log.history)})


def _log_model(model, task):
    runs.log_figures({"gates": plot_gates(model, task.plotted_input())})
    runs.log_metrics(
        {"params": model.count_params(), "predict_ms": latency_ms(model, task.example_for(model))}
    )
    runs.log_tag("kernel", kernels_of(model))
    models.log_model(model, task.example_for(model))


def _log_baseline(config, task, baseline):
    runs.log_evaluation(task.metric, baseline.evaluation)
    runs.log_metrics({"params": baseline.parameters, "train_seconds": baseline.seconds})
    runs.describe(descriptions.of_run(config, task, baseline.evaluation, baseline.name))
    return baseline.evaluation
