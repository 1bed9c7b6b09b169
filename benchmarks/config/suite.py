"""Suites: expands a suite file, narrowed by choices, into the configurations of its runs."""

import itertools
import re

from benchmarks.config import files
from benchmarks.config.errors import ConfigError, unknown, validate
from benchmarks.config.schema import (
    BASELINE,
    BY_DEFAULT,
    MAX_SEEDS,
    SEARCH,
    LayersConfig,
    PresetsConfig,
    RunConfig,
    SuiteConfig,
    experiment_name,
    folder_name,
    is_baseline,
)
from benchmarks.recipes import STEPS
from benchmarks.tasks import TASKS
from zoo.layers import architectures


def load(suite, *, tasks=None, chosen=None, seeds=None, epochs=None):
    """The runs of a suite, ordered by task, seed and architecture, with a task's baselines first.

    Args:
        suite: str, a name of `suites()`, or the path of a YAML file.
        tasks: list of str or None, the entries of the suite's `tasks` to run; by default all.
        chosen: list of str or None, architectures to run, and those of an entry's baselines; by
            default the suite's.
        seeds: int or None, number of seeds; by default the number of folds, or else the suite's.
        epochs: int or None, number of epochs of every step of supervised training; by default the
            suite's.

    Returns:
        A list of `RunConfig`.

    Raises:
        ConfigError: for an unknown suite, key, task, step or architecture, with the nearest known
            one, and for an invalid value.
    """
    path, content = files.read(suite)
    config = validate(SuiteConfig, content, path.name)
    if config.equal_parameters:
        _check_architecture(config.equal_parameters, path.name)
    for name in tasks or []:
        if name not in config.tasks:
            raise ConfigError(unknown("task", name, config.tasks))
    baselines = dict.fromkeys(name for task in config.tasks.values() for name in task.baselines)
    for name in chosen or []:
        _check_architecture(name, path.name, baselines)
    runs = []
    for entry, task in config.tasks.items():
        # Entries that weren't chosen are validated too.
        is_chosen = not tasks or entry in tasks
        if chosen and is_chosen:
            names = [name for name in chosen if _suits(name, task, entry)]
        else:
            names = [*task.baselines, *_expanded(task.architectures or config.architectures)]
        of_task = _runs_of_task(config, path, entry, task, names, seeds, epochs)
        runs += of_task if is_chosen else []
    _check_experiments(config, path.name)
    if not runs:
        raise ConfigError(f"{path.name}: no chosen task has {', '.join(chosen)}.")
    return runs


def _suits(name, task, entry):
    """Whether a chosen architecture or baseline is one that an entry can have."""
    if is_baseline(name):
        return name in task.baselines
    kind = TASKS.get(task.task or entry)
    return not (kind and kind.one_direction and name in _bidirectional())


def _check_experiments(config, where):
    """Raises ConfigError if two entries would share an experiment."""
    entries = {}
    for entry, task in config.tasks.items():
        name = experiment_name(task.task or entry, folder_name(task.dataset), entry)
        if name in entries:
            raise ConfigError(
                f"{where}: the entries {entries[name]} and {entry} would share the experiment "
                f"{name}. Rename one."
            )
        entries[name] = entry


def load_sweeps(suite, *, tasks=None, chosen=None, epochs=None):
    """The starting points of a suite's sweeps, by entry.

    Args:
        suite, tasks, chosen, epochs: as for `load`.

    Returns:
        A dict from the name of an entry to `(configs, space)`: a list of `RunConfig`, one for each
        architecture, and a dict of `Range`.

    Raises:
        ConfigError: as `load`; for an entry with folds, and a range of an unknown key.
    """
    path, content = files.read(suite)
    entries = validate(SuiteConfig, content, path.name).tasks
    found = {}
    for config in load(suite, tasks=tasks, chosen=chosen, seeds=1, epochs=epochs):
        if is_baseline(config.architecture):
            continue
        ours = {name: known for name, known in SEARCH.items() if config.owners(name)}
        space = entries[config.entry].search or ours
        if config.splits.folds:
            raise ConfigError(f"{path.name}, {config.entry}: a sweep can't hold out folds in turn.")
        for end in ("low", "high"):
            config.with_values({name: getattr(bounds, end) for name, bounds in space.items()})
        found.setdefault(config.entry, ([], space))[0].append(config)
    return found


def every_seed(suite):
    """The runs of a suite with every seed that may have been run."""
    return load(suite, seeds=MAX_SEEDS)


def kind(suite):
    """The kind of a suite.

    Args:
        suite: str, a name of `suites()`, or the path of a YAML file.

    Returns:
        `"tasks"` if it trains models (`load`), `"layers"` if it times layers (`load_layers`), or
        `"presets"` if it measures presets (`load_presets`).

    Raises:
        ConfigError: for an unknown suite, or a file that isn't a suite.
    """
    content = files.read(suite)[1]
    return next((key for key in ("layers", "presets") if key in content), "tasks")


def load_layers(suite, chosen=None):
    """The `LayersConfig` of a suite that times layers.

    Args:
        suite: str, a name of `suites()`, or the path of a YAML file.
        chosen: list of str or None, the layers to time; by default the suite's.

    Raises:
        ConfigError: as `load`.
    """
    path, content = files.read(suite)
    changes = {"suite": path.stem, **({"layers": chosen} if chosen else {})}
    return validate(LayersConfig, {**content, **changes}, path.name)


def load_presets(suite):
    """The `PresetsConfig` of a suite that measures presets.

    Args:
        suite: str, a name of `suites()`, or the path of a YAML file.

    Raises:
        ConfigError: as `load`.
    """
    path, content = files.read(suite)
    return validate(PresetsConfig, {**content, "suite": path.stem}, path.name)


def _runs_of_task(config, path, entry, task, names, seeds, epochs):
    """The runs of one entry: the baseline, once per fold, then each seed and architecture."""
    where = f"{path.name}, {entry}"
    name = task.task or entry
    if name not in TASKS:
        raise ConfigError(unknown("task", name, TASKS))
    model = validate(TASKS[name].Model, task.model, f"{where}, model")
    for architecture in names:
        _check_architecture(architecture, path.name, TASKS[name].baselines)
        if TASKS[name].one_direction and architecture in _bidirectional():
            raise ConfigError(
                f"{where}: {name} needs architectures of one direction. Received: {architecture}"
            )
    common = {
        "suite": path.stem,
        "entry": entry,
        "task": name,
        "dataset": task.dataset,
        "features": tuple(task.features.items()),
        "preset": task.preset or _identifier(task.dataset),
        "quality": task.quality,
        "if_available": task.if_available,
    }
    trained = [architecture for architecture in names if not is_baseline(architecture)]
    counts = {
        architecture: seeds
        or task.splits.fold_count
        or _value(task.seeds or config.seeds, architecture, f"{path.name}, seeds")
        for architecture in names
    }
    recipes = {
        architecture: _recipe(task, name, model, architecture, epochs, where)
        for architecture in trained or [BASELINE]
    }
    baselines = [
        RunConfig(**common, splits=task.splits.of_seed(fold), architecture=baseline, seed=fold)
        for baseline in filter(is_baseline, names)
        for fold in range(min(counts[baseline], task.splits.fold_count or 1))
    ]
    return baselines + [
        RunConfig(
            **common,
            splits=task.splits.of_seed(seed),
            architecture=architecture,
            seed=seed,
            model=model,
            recipe=recipes[architecture],
            dtype=task.dtype or config.dtype,
            equal_parameters=(
                config.equal_parameters if architecture != config.equal_parameters else None
            ),
        )
        for seed, architecture in itertools.product(range(MAX_SEEDS), trained)
        if seed < counts[architecture]
    ]


def _recipe(task, kind, model, architecture, epochs, where):
    """The validated steps of one architecture."""
    task_class = TASKS[kind]
    supported = {name: step for name, step in STEPS.items() if name in task_class.supports}
    recipe = []
    for item in task.recipe:
        ((name, keys),) = item.items()
        place = f"{where}, recipe, {name}"
        if name not in STEPS:
            raise ConfigError(f"{where}, recipe: {unknown('step', name, STEPS)}")
        keys = {key: _value(v, architecture, place) for key, v in (keys or {}).items()}
        step = validate(STEPS[name], keys, place)
        if name not in supported:
            raise ConfigError(
                f"{place}: {kind} can't be trained with this step. Its steps: "
                f"{', '.join(supported)}."
            )
        try:
            step.check(task_class, model, task.splits, recipe)
        except ValueError as error:
            raise ConfigError(f"{place}: {error}") from error
        recipe.append(step if epochs is None else step.with_epochs(epochs))
    if not any(step.trains for step in recipe):
        known = ", ".join(name for name, step in supported.items() if step.trains)
        raise ConfigError(f"{where}, recipe: no step trains the model. Add one of: {known}.")
    readers = [model, *recipe]
    if task.splits.unlabelled and not any(reader.reads_unlabelled for reader in readers):
        known = ", ".join(name for name, step in supported.items() if step.reads_unlabelled)
        raise ConfigError(
            f"{where}: nothing reads the split `unlabelled`. Remove it, or add what reads it, such "
            f"as one of these steps: {known or 'none of this task'}."
        )
    return tuple(recipe)


def _value(value, architecture, where):
    """Resolves a value that may differ by architecture, such as `{default: 0.1, rnn: 0.05}`."""
    if not isinstance(value, dict) or BY_DEFAULT not in value:
        return value
    for name in value:
        if name != BY_DEFAULT:
            _check_architecture(name, where)
    return value.get(architecture, value[BY_DEFAULT])


def _expanded(names):
    one_way = [name for name in architectures.names() if name not in _bidirectional()]
    return one_way if names == "all" else names


def _bidirectional():
    return [name for name in architectures.names() if architectures.get(name).bidirectional]


def _identifier(dataset):
    """A dataset's name in presets: `multi30k/de-en` becomes `multi30k_de_en`."""
    return re.sub(r"\W+", "_", folder_name(dataset))


def _check_architecture(architecture, where, baselines=(BASELINE,)):
    known = [*baselines, *architectures.names()]
    if architecture not in known:
        raise ConfigError(f"{where}: {unknown('architecture', architecture, known)}")
