"""Runs a suite: trains, evaluates and logs one configuration after the other."""

import contextlib
import functools
import re
import statistics
import threading
import time

import keras
import numpy as np
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks import plots, tracking
from benchmarks.config import BASELINE, ConfigError
from benchmarks.optimizer import adam
from benchmarks.tasks import TASKS
from zoo import datasets, models, plot_gates
from zoo.layers import kernels
from zoo.layers.recurrence import RecurrentLayer


def run_suite(configs, console, rerun=False):
    """Runs the configurations that have no finished run yet, and registers champions.

    Args:
        configs: list of `RunConfig`.
        console: `rich.console.Console` to tell the progress on.
        rerun: bool, run also what is finished.
    """
    threading.Thread(target=_build_kernels, daemon=True).start()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    for number, config in enumerate(configs, 1):
        name = f"[{number}/{len(configs)}] {config.experiment} · {config.title}"
        task, digest = load_task(config.task, config.dataset, config.splits, config.features)
        finished = None if rerun else tracking.find_finished(config, digest)
        if finished:
            commit = finished.tags["git_commit"][:12]
            console.print(f"{name}: finished before, at {commit}", highlight=False)
            continue
        with Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        ) as progress:
            bar = progress.add_task(name, total=None)
            value = run_one(config, task, digest, functools.partial(progress.update, bar), rerun)
        console.print(f"{name}: {task.metric} {value:.4g}", highlight=False)
    for experiment, folds in {config.experiment: config.splits.folds for config in configs}.items():
        if not folds:  # models of different folds are not to be chosen between
            tracking.register_champion(experiment)
        tracking.arrange_charts(experiment)


def _build_kernels():
    """Compiles the native kernels while the data is fetched and the baselines are fitted."""
    with contextlib.suppress(RuntimeError, ValueError):  # told where they are used
        kernels.available()


@functools.cache
def load_task(name, dataset, splits, features=()):
    """The task on its prepared data, and the SHA-256 of the data.

    Args:
        name: str, a name of `TASKS`.
        dataset: str, as `datasets.builder` takes it.
        splits: `benchmarks.config.Splits`.
        features: pairs of the name that the task has for a feature, and the dataset's.
    """
    builder = datasets.builder(dataset)
    ours = {theirs: ours for ours, theirs in features}
    known = {ours.get(name, name): feature for name, feature in builder.info.features.items()}
    for theirs in [*ours, *filter(None, [splits.feature])]:
        if theirs not in builder.info.features:
            raise ConfigError(
                f"{dataset} has no feature {theirs!r}. Its features: "
                f"{', '.join(builder.info.features)}."
            )

    @functools.cache
    def read(split):
        wanted = getattr(splits, split)
        if wanted is None:
            return None
        data = datasets.read(builder, "train" if splits.feature else wanted)
        if splits.feature:
            texts = data[splits.feature]
            rows = [row for row, text in enumerate(texts) if re.search(wanted, text)]
            data = {name: [column[row] for row in rows] for name, column in data.items()}
        return {ours.get(name, name): column for name, column in data.items()}

    licence = builder.info.redistribution_info.license or "not stated"
    task = TASKS[name](read, known, licence)
    if task.feature not in known:
        raise ConfigError(
            f"{dataset} has no feature {task.feature!r}, which {name} needs. Its features: "
            f"{', '.join(builder.info.features)}. Which it is may be said by `features`."
        )
    return task, datasets.digest(builder)


def resolve(config, task):
    """The config with the units that give the model as many parameters as `equal_parameters`.

    The comparison is that of K. Greff et al., "LSTM: A Search Space Odyssey", 2017, where what
    an architecture costs is what its units are chosen by.
    """
    if config.equal_parameters is None or config.model is None:
        return config
    units = _units_of_equal_size(task, config.model_copy(update={"seed": 0}))
    return config.model_copy(update={"model": config.model.model_copy(update={"units": units})})


@functools.cache
def _units_of_equal_size(task, config):
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


def run_one(config, task, dataset_digest, update, rerun=False):
    """Trains and evaluates one configuration and logs it; gives the test metric.

    Members of an ensemble that were run alone before are taken from there, unless `rerun`.
    """

    def find(member):
        (alone,) = (one for one in asked_for.of_members if one.seed == member.seed)
        return tracking.find_trained(alone, dataset_digest)

    asked_for, config = config, resolve(config, task)
    with tracking.run(config, task, dataset_digest, asked_for.digest):
        if config.architecture == BASELINE:
            return _log_baseline(task)
        keras.utils.clear_session()
        model, history = train(task, config, update, None if rerun else find)
        tracking.log_tag("kernel", kernels_of(model))
        tracking.log_figures({"learning_curve": plots.learning_curve(history)})
        evaluation = task.evaluate(model, config)
        tracking.log_evaluation(task.metric, evaluation)
        tracking.log_figures({"gates": plot_gates(model, task.shown())})
        tracking.log_metrics(
            {"params": model.count_params(), "predict_ms": latency_ms(model, task.example())}
        )
        tracking.log_model(model, task)
        return evaluation.value


def train(task, config, update, find=None):
    """Trains a model, or the members of an ensemble one after the other, and logs each epoch.

    Args:
        find: function from the `RunConfig` of a member to what `tracking.find_trained` gives, or
            None to train all members here.

    Returns:
        The model with the weights that are best on validation, and its history, a dict from
        `train/*` and `val/*` to a list of values by epoch; the epochs of members follow each other.
    """
    log = _EpochLog(config.quality, config.training, update)
    companions, log.other_seconds = task.companions(config)
    unlabelled = task.read("unlabelled")[task.feature] if config.training.self_training else []
    if config.training.members == 1 or companions or config.training.self_training:
        find = None  # no run alone is like that of a member
    model, best = _train_members(task, config, log, companions, find=find)
    for _ in range(config.training.self_training):
        start = time.perf_counter()
        labels = model.predict(unlabelled)
        log.other_seconds += time.perf_counter() - start
        model, best = _train_members(task, config, log, companions, labels)
    tracking.log_metrics(
        {
            "train_seconds": log.seconds,
            "examples_per_second": statistics.median(log.examples_per_second),
            **{f"best/{name}": value for name, value in best.items()},
            **({"seconds_to_quality": log.seconds_to_quality} if log.seconds_to_quality else {}),
        }
    )
    return model, log.history


def _train_members(task, config, log, companions, labels=None, find=None):
    """Trains members anew, from the labelled examples and, where there are `labels` of them, from
    the unlabelled ones; with their companions they are the model.

    Returns:
        The model, and what it is on validation, by the names of its history.
    """
    members = []
    for member in config.of_members:
        earlier = find and find(member)
        if earlier:
            record, epochs, model = earlier
            log.repeat(record, epochs)
            commit = record.tags["git_commit"]
            tracking.log_tag(f"member_{len(members)}", f"run {record.run_id}, commit {commit}")
            members.append(model)
            continue
        keras.utils.set_random_seed(member.seed)
        model = task.build(member)
        pretraining = task.pretrain(model, member, log.update)
        if labels is None:  # else that was the same
            log.other_seconds += pretraining.get("pretraining/seconds", 0.0)
            tracking.log_metrics(pretraining)
        best_epoch = fit(model, task, member, log, labels)
        members.append(model)
    members += companions
    if len(members) == 1:
        first = log.epoch - config.training.epochs
        best = {"epoch": first + best_epoch + 1}
        best |= {name: values[first + best_epoch] for name, values in log.history.items()}
        return model, best
    model = models.ensemble(members)
    model.compile(loss=task.loss(config), jit_compile=False)
    validation = task.batches(model, "validation", config, shuffle=False)
    with _without_preprocessor(model):
        values = model.evaluate(validation, verbose=0, return_dict=True)
    return model, {f"val/{name}": value for name, value in values.items()}


def fit(model, task, config, log, labels=None):
    """Fits a model and keeps the weights that are best on validation.

    Args:
        labels: float array `[examples, classes]` or None, probabilities for the unlabelled
            examples, which the model then learns from too.

    Returns:
        The best epoch, from 0 on.
    """
    training = config.training
    log.examples = len(task.read("train")[task.feature])
    if labels is None:
        batches = task.batches(model, "train", config, shuffle=True)
    else:
        batches = task.self_training_batches(model, config, labels)
        log.examples += len(labels)
    validation = task.batches(model, "validation", config, shuffle=False)
    steps = len(batches)
    trainer = task.trainer(model, config)
    trainer.compile(
        optimizer=adam(
            training.learning_rate,
            training.epochs * steps,
            int(training.warmup_epochs * steps),
            training.clip_norm,
        ),
        loss=task.loss(config),
        jit_compile=False,
    )
    best = keras.callbacks.EarlyStopping(
        f"val_{training.monitor}",
        mode="max" if training.monitor == "accuracy" else "min",
        patience=training.epochs,
        restore_best_weights=True,
    )
    with _without_preprocessor(model):
        trainer.fit(
            batches,
            validation_data=validation,
            epochs=training.epochs,
            shuffle=False,
            verbose=0,
            callbacks=[log, best],
        )
    return best.best_epoch


@contextlib.contextmanager
def _without_preprocessor(model):
    """For batches that are preprocessed already."""
    preprocessor, model.preprocessor = model.preprocessor, None
    try:
        yield
    finally:
        model.preprocessor = preprocessor


class _EpochLog(keras.callbacks.Callback):
    """Logs each epoch, times it without its validation, and moves the progress bar.

    Of an ensemble the first member that is good enough ends the seconds to quality.
    """

    def __init__(self, quality, training, update):
        super().__init__()
        self.quality = quality
        self.epochs = training.epochs * training.members * (1 + training.self_training)
        self.update = update
        self.history = {}
        self.examples = 0
        self.examples_per_second = []
        self.other_seconds = 0.0
        self.train_seconds = []
        self.seconds_to_quality = None

    @property
    def epoch(self):
        """How many epochs are over, of all members."""
        return len(self.train_seconds)

    @property
    def seconds(self):
        """How long all has taken so far, validation left out."""
        return self.other_seconds + sum(self.train_seconds)

    def repeat(self, record, epochs):
        """Logs the epochs of a member that was trained before, its seconds divided among them."""
        to_quality = record.metrics.get("seconds_to_quality")
        same_quality = float(record.params["quality"]) == self.quality
        if self.seconds_to_quality is None and to_quality and same_quality:
            self.seconds_to_quality = self.seconds + to_quality
        seconds = record.metrics["train_seconds"] / len(epochs)
        for metrics in epochs:
            self.train_seconds.append(seconds)
            self.examples_per_second.append(record.metrics["examples_per_second"])
            self._keep(metrics)

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self._end = time.perf_counter()
        self.update(total=self.epochs, completed=self.epoch + (batch + 1) / self.params["steps"])

    def on_epoch_end(self, epoch, logs=None):
        self.train_seconds.append(self._end - self._start)
        self.examples_per_second.append(self.examples / self.train_seconds[-1])
        metrics = {
            (f"val/{name[4:]}" if name.startswith("val_") else f"train/{name}"): value
            for name, value in logs.items()
        }
        self._keep(metrics)

    def _keep(self, metrics):
        for name, value in metrics.items():
            self.history.setdefault(name, []).append(float(value))
        tracking.log_epoch(metrics, self.epoch)
        if self.seconds_to_quality is None and metrics["val/accuracy"] >= self.quality:
            self.seconds_to_quality = self.seconds


def kernels_of(model):
    """The recurrent kernels that ran, such as `"native"`, with commas between."""
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, RecurrentLayer)]
    return ", ".join(sorted({layer.last_kernel for layer in layers if layer.last_kernel}))


def _log_baseline(task):
    baseline = task.baseline()
    tracking.log_evaluation(task.metric, baseline.evaluation)
    tracking.log_metrics({"params": baseline.parameters, "train_seconds": baseline.seconds})
    tracking.describe(baseline.name)
    return baseline.evaluation.value


def latency_ms(model, example):
    """Median time of an answer to one raw input, in milliseconds."""
    answer = model.generate if hasattr(model, "generate") else model.predict
    times = []
    for _ in range(13):
        start = time.perf_counter()
        answer([example])
        times.append(time.perf_counter() - start)
    return 1000 * float(np.median(times[3:]))
