"""Sweeps: each architecture gets the same search space and the same number of trials.

Compare K. Greff et al., "LSTM: A Search Space Odyssey", 2017. TPE proposes the points, the first
ones at random (J. Bergstra et al., 2011). A trial stops early when its validation metric is worse
than the median of the earlier ones at the same epoch (D. Golovin et al., 2017).
"""

import dataclasses
import hashlib
import json
import math
import statistics

import keras

from benchmarks import interrupts
from benchmarks.config import ConfigError
from benchmarks.data import task_of
from benchmarks.recipes import Training, train
from benchmarks.recipes.run_log import RunLog
from benchmarks.recipes.step import total_epochs
from benchmarks.report.table import Table, markdown
from benchmarks.run import prepare_worker, progress_bar, resolve, run_suite
from benchmarks.tracking import runs, store

SUITE = "sweep"


@dataclasses.dataclass(frozen=True)
class Sweep:
    """The parent run of trials, as the store identifies it.

    Attributes:
        configs: list of `RunConfig`, the start of each architecture.
        space: dict from the name of a key to its `benchmarks.config.Range`.
        trials: int, for each architecture.
    """

    configs: list
    space: dict
    trials: int

    @property
    def experiment(self):
        return self.configs[0].experiment

    @property
    def settings(self):
        return {
            "trials": self.trials,
            **{name: str(known) for name, known in self.space.items()},
        }

    @property
    def digest(self):
        content = {**self.settings, "configs": [config.digest for config in self.configs]}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Trial:
    """A finished trial.

    Attributes:
        values: dict of its point in the space.
        value: float, the metric on validation; None if it was pruned.
        epochs: int, how many it trained.
        seconds: float, its training time.
    """

    values: dict
    value: float | None
    epochs: int
    seconds: float


def run(configs, space, trials, seeds, console, pool=None):
    """Searches for each architecture, and trains its best trial again with fresh seeds.

    Finished trials are kept: the same sweep, started again, resumes after them.

    Args:
        configs: list of `RunConfig` of one entry of a suite, one for each architecture.
        space: dict from the name of a key to its `benchmarks.config.Range`.
        trials: int, for each architecture.
        seeds: int, for the best trial of each architecture.
        console: `rich.console.Console`.
        pool: `benchmarks.workers.Pool` to search for the architectures side by side, or None.

    Returns:
        `(table, best)`: a `Table` of the searches, and the list of `RunConfig` trained again.

    Raises:
        ConfigError: a key of the space isn't one of the model or the recipe.
    """
    sweep = Sweep([_renamed(config, "trials") for config in configs], space, trials)
    task, digest = task_of(sweep.configs[0])
    tags = {
        "suite": SUITE,
        "config": json.dumps(sweep.settings),
        "config_digest": sweep.digest,
        "dataset_digest": digest,
    }
    title = f"sweep of {', '.join(config.architecture for config in configs)}"
    killed = store.find_killed(sweep, digest)
    with runs.open_run(sweep.experiment, title, tags, sweep.settings, killed) as parent:
        calls = {
            config.architecture: (config, space, trials, parent.run_id) for config in sweep.configs
        }
        searched = _side_by_side(pool, calls) if pool else _in_turn(calls, console)
        found = {}
        for architecture, finished in searched:
            found[architecture] = finished
            best = max(finished, key=lambda trial: _rank(task, trial))
            told = task.validation_metric.text(best.value)
            console.print(f"{architecture}: {task.validation_metric.name} {told}", highlight=False)
        table = _table(sweep, task.validation_metric, {name: found[name] for name in calls})
        runs.describe(markdown([table]))
    again = []
    for config in configs:
        best = max(found[config.architecture], key=lambda trial: _rank(task, trial))
        chosen = _renamed(config, "sweep").with_values(best.values)
        # Seed 0 is that of the trials, and selection favours those that were lucky with it.
        again += [chosen.model_copy(update={"seed": seed}) for seed in range(1, seeds + 1)]
    run_suite(again, console, pool=pool)
    return table, again


def _renamed(config, what):
    """A configuration whose runs are in a separate experiment."""
    plain = config.entry in (config.task, config.dataset_name)
    entry = what if plain else f"{config.entry}_{what}"
    return config.model_copy(update={"suite": SUITE, "entry": entry})


def _in_turn(calls, console):
    for architecture, (config, space, trials, parent) in calls.items():
        with progress_bar(f"{config.experiment} · {architecture}", console) as update:
            yield architecture, search(config, space, trials, parent, update)


def _side_by_side(pool, calls):
    return pool.each(_search_in_worker, calls, dict.fromkeys(calls, ()))


def _search_in_worker(config, space, trials, parent):
    prepare_worker()
    with interrupts.handled():
        return search(config, space, trials, parent)


def search(config, space, trials, parent, update=lambda **progress: None):
    """Runs the trials of one architecture, except those that are finished.

    Args:
        config: `RunConfig`.
        space, trials: see `run`.
        parent: str, the id of the run under which trials are nested.
        update: called with `total` and `completed`, in trials.

    Returns:
        A list of `Trial`.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    task, digest = task_of(config)
    name = task.validation_metric.name
    study = optuna.create_study(
        direction="maximize" if task.validation_metric.higher_is_better else "minimize",
        sampler=optuna.samplers.TPESampler(seed=config.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    )
    found = []
    with store.claim(f"sweep of {config.digest} {digest}"):
        for number in range(trials):
            update(total=trials, completed=number)
            trial = study.ask(_distributions(config, space))
            changed = config.with_values(trial.params)
            # The sampler is seeded, so a resumed sweep proposes the same points again.
            record = store.find_finished(changed, digest)
            if record:
                for epoch, values in sorted(store.epochs(record).items()):
                    trial.report(values[f"val/{name}"], epoch)
            else:
                _run_trial(changed, task, digest, parent, trial)
                record = store.find_finished(changed, digest)
            value = record.metrics.get(f"best/val/{name}", math.nan)
            pruned = math.isnan(value)
            state = optuna.trial.TrialState.PRUNED if pruned else None
            study.tell(trial, None if pruned else value, state)
            epochs, seconds = len(store.epochs(record)), record.metrics["train_seconds"]
            found.append(Trial(trial.params, None if pruned else value, epochs, seconds))
    if all(trial.value is None for trial in found):
        raise ConfigError(f"{config.title}: no trial was completed. Choose other ranges.")
    return found


def _run_trial(config, task, digest, parent, trial):
    """Trains a trial and logs it, without reading the test split."""
    import optuna

    killed = store.find_killed(config, digest)
    requested, config = config, resolve(config, task)
    tags = {"mlflow.parentRunId": parent, "trial": str(trial.number)}
    with runs.run(config, requested, task, digest, killed, tags) as opened:
        keras.utils.clear_session()

        def log_epoch(values, epoch):
            opened.log_epoch(values, epoch)
            trial.report(values[f"val/{task.validation_metric.name}"], epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        log = RunLog(
            task.validation_metric,
            config.quality,
            total_epochs(config.recipe),
            lambda **progress: None,
            log_epoch,
        )
        training = Training(config, task, log, opened.checkpoints, config.seed)
        try:
            best = train(training, config.recipe).best
        except optuna.TrialPruned:
            best = {}
            runs.log_tag("pruned", f"after epoch {log.epoch}")
        runs.log_metrics(
            {"train_seconds": log.seconds, **{f"best/{key}": best[key] for key in best}}
        )


def _distributions(config, space):
    """The distribution of each key of a space: of integers, if the suite has an integer there."""
    from optuna.distributions import FloatDistribution, IntDistribution

    found = {}
    for name, known in space.items():
        if isinstance(getattr(config.owners(name)[0], name), int):
            found[name] = IntDistribution(round(known.low), round(known.high), log=known.log)
        else:
            found[name] = FloatDistribution(known.low, known.high, log=known.log)
    return found


def _rank(task, trial):
    return -math.inf if trial.value is None else task.validation_metric.rank(trial.value)


def _table(sweep, metric, found):
    """The table of the searches: budget, best and spread, with the values of the best trial."""
    rows = []
    for architecture, trials in found.items():
        complete = [trial for trial in trials if trial.value is not None]
        best = max(complete, key=lambda trial: metric.rank(trial.value))
        values = [trial.value for trial in complete]
        spread = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
        low, middle, high = (metric.text(value) for value in spread)
        rows.append(
            [
                architecture,
                f"{len(trials)} ({len(trials) - len(complete)})",
                str(sum(trial.epochs for trial in trials)),
                f"{sum(trial.seconds for trial in trials):.0f}",
                metric.text(best.value),
                middle,
                f"{low}–{high}",
                ", ".join(_told(name, value) for name, value in best.values.items()),
            ]
        )
    space = "; ".join(f"{name} {known}" for name, known in sweep.space.items())
    return Table(
        f"{sweep.experiment}: {sweep.trials} trials of each architecture",
        [
            "architecture",
            "trials (pruned)",
            "epochs",
            "train (s)",
            f"best validation {metric.name}",
            "median",
            "quartiles",
            "best trial",
        ],
        rows,
        f"search space: {space}; median and quartiles are those of trials that weren't pruned",
    )


def _told(name, value):
    return f"{name} {value}" if isinstance(value, int) else f"{name} {value:.3g}"
