"""Suite files: YAML in, one validated, frozen config object a run out."""

import difflib
import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Annotated, Literal

import pydantic
import yaml

from benchmarks.layers.contenders import CONTENDERS, FAMILIES
from benchmarks.tasks import TASKS
from zoo.layers import architectures

SUITES = Path(__file__).parent / "suites"
BASELINE = "baseline"
MOST_SEEDS = 20
# What a run is called and what is read off it, which decide nothing of what it computes.
NAMES = ("suite", "entry", "quality", "preset")


class ConfigError(ValueError):
    """A suite, or what was asked of it, can't be run; the message says what to change."""


class TrainingConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """How a model is trained: Adam, a warm-up and a cosine decay of the learning rate.

    The weights kept are those of the epoch that is best on the validation split, by `monitor`.
    With more `members` than one, so many models are trained with seeds of their own, and the mean
    of what they say is the answer. `self_training` is how often that answer then labels the
    unlabelled examples, in probabilities, and the models are trained anew from all examples
    (D.-H. Lee, "Pseudo-Label", 2013; Q. Xie et al., "Self-Training with Noisy Student", 2020).
    """

    epochs: pydantic.PositiveInt
    batch_size: pydantic.PositiveInt
    learning_rate: pydantic.PositiveFloat
    warmup_epochs: pydantic.NonNegativeFloat = 0.0
    clip_norm: pydantic.PositiveFloat = 1.0
    monitor: Literal["loss", "accuracy"] = "loss"
    members: pydantic.PositiveInt = 1
    self_training: pydantic.NonNegativeInt = 0


class Splits(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Where the three splits come from.

    Each is an expression in the notation of TensorFlow Datasets, such as `train[:90%]`. With
    `feature`, the name of a text feature, the dataset's `train` is divided instead, and each is a
    regular expression that is searched for in that feature. With `folds`, a list of words, each
    seed has the next word in the place of `FOLD`, so that each is held out once. `unlabelled` is
    more text to learn an embedding from, to pretrain on or for self-training.
    """

    train: str = "train"
    validation: str = "validation"
    test: str = "test"
    unlabelled: str | None = None
    feature: str | None = None
    folds: tuple[str, ...] | None = None

    @pydantic.model_validator(mode="after")
    def _expressions(self):
        for seed in range(self.fold_count or 1) if self.feature else ():
            for split in ("train", "validation", "test"):
                try:
                    re.compile(getattr(self.of_seed(seed), split))
                except re.error as error:
                    raise ValueError(f"{split} is no regular expression: {error}") from error
        return self

    @property
    def fold_count(self):
        return len(self.folds or ())

    def of_seed(self, seed):
        """The splits of a seed's run."""
        if not self.folds:
            return self
        fold = self.folds[seed % self.fold_count]
        named = {name: getattr(self, name) for name in ("train", "validation", "test")}
        divided = {name: text.replace("FOLD", fold) for name, text in named.items()}
        return self.model_copy(update=divided)


class RunConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Everything that decides what one run computes. `model` and `training` are None for a
    baseline, which is no network. With `equal_parameters`, the units of the model are those of
    that architecture, and others get as many as make as many parameters (`runner.resolve`)."""

    suite: str
    entry: str
    task: str
    dataset: str
    splits: Splits = Splits()
    features: tuple[tuple[str, str], ...] = ()
    preset: str
    architecture: str
    seed: int
    quality: float
    model: pydantic.BaseModel | None = None
    training: TrainingConfig | None = None
    equal_parameters: str | None = None

    @property
    def dataset_name(self):
        """The name of the dataset; of a folder, its last part."""
        return folder_name(self.dataset)

    @property
    def experiment(self):
        name = f"{self.task}/{self.dataset_name}"
        return name if self.entry == self.task else f"{name}/{self.entry}"

    @property
    def title(self):
        return f"{self.architecture}, seed {self.seed}"

    @property
    def of_members(self):
        """The configs that the members of an ensemble are trained by; of one alone its own."""
        count = self.training.members
        alone = self.training.model_copy(update={"members": 1})
        seeds = [self.seed * count + number for number in range(count)]
        return [self.model_copy(update={"seed": seed, "training": alone}) for seed in seeds]

    def flat(self):
        """The config as one level of `key: value`, nested keys joined with a dot."""
        flat = {}
        for key, value in self:
            if isinstance(value, pydantic.BaseModel):
                flat |= {f"{key}.{name}": inner for name, inner in value if inner is not None}
            elif value is not None:
                flat[key] = value
        return flat

    @property
    def digest(self):
        """SHA-256 of what is computed, whatever the suite is called.

        What is at its default is left out, so a new option makes no other runs of those before it.
        """
        decisive = self.model_dump(
            mode="json", exclude=set(NAMES), exclude_defaults=True, serialize_as_any=True
        )
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def folder_name(dataset):
    """The name of a dataset that may be a folder."""
    folder = Path(dataset).expanduser()
    return folder.resolve().name if folder.is_dir() else dataset


class TaskConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One entry of a suite's tasks.

    `task` is the task where the entry isn't called like it, `overrides` holds what the training of
    an architecture has otherwise, `architectures` those of this entry where they aren't the
    suite's, `features` what the dataset calls a feature that the task knows by another name, and
    `preset` what presets call the dataset.
    """

    task: str | None = None
    dataset: str
    splits: Splits = Splits()
    features: dict[str, str] = {}
    preset: str | None = None
    quality: float
    model: dict
    training: TrainingConfig
    overrides: dict[str, dict] = {}
    architectures: list[str] | None = None

    @pydantic.model_validator(mode="after")
    def _folds_differ(self):
        splits = self.splits
        if splits.folds is not None:
            if len(splits.folds) < 2 or len(set(splits.folds)) < len(splits.folds):
                raise ValueError("folds must be two or more different words")
            if "FOLD" not in splits.train or "FOLD" not in splits.test:
                raise ValueError("with folds, the word FOLD must stand in train and in test")
        return self


class SuiteConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A suite file. One with `based_on` has the keys of that suite where it has none itself, at
    every level.

    `architectures` may be `all`: those of the registry that read in one direction.
    """

    architectures: Annotated[list[str], pydantic.Field(min_length=1)] | Literal["all"]
    seeds: int = pydantic.Field(ge=1, le=MOST_SEEDS)
    tasks: dict[str, TaskConfig] = pydantic.Field(min_length=1)
    equal_parameters: str | None = None
    based_on: str | None = None


class LayersConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A suite file that times layers instead of training models."""

    suite: str
    layers: list[Literal[FAMILIES]]
    shapes: list[tuple[(pydantic.PositiveInt,) * 4]]
    contenders: list[Literal[tuple(CONTENDERS)]]
    rounds: pydantic.PositiveInt
    least_ms: pydantic.PositiveFloat


class PresetsConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A suite file that measures the pretrained models anew."""

    suite: str
    presets: str
    tolerance: dict[str, pydantic.NonNegativeFloat]


def suites():
    """Names of the suites there are."""
    return sorted(path.stem for path in SUITES.glob("*.yaml"))


def load(suite, *, tasks=None, chosen=None, seeds=None, epochs=None):
    """The runs of a suite, tasks first, then seeds, then architectures, baselines ahead.

    Args:
        suite: str, a name of `suites()`, or the path of a YAML file.
        tasks: list of str or None, only these entries of the suite's tasks.
        chosen: list of str or None, these architectures instead of the suite's; `baseline`
            may be among them. By default the suite's and the baseline.
        seeds: int or None, so many seeds instead of the suite's number, or of one a fold.
        epochs: int or None, so many epochs instead of each task's number.

    Returns:
        A list of `RunConfig`.

    Raises:
        ConfigError: for an unknown suite, key, task or architecture, naming the nearest known
            one, and for a value that doesn't fit.
    """
    path, content = _read(suite)
    config = _validate(SuiteConfig, content, path.name)
    if config.equal_parameters:
        _check(config.equal_parameters, path.name)
    for name in tasks or []:
        if name not in config.tasks:
            raise ConfigError(_unknown("task", name, list(config.tasks)))
    shorter = {"epochs": epochs} if epochs else {}
    runs = []
    for entry, task in config.tasks.items():
        names = chosen or [BASELINE, *(task.architectures or _listed(config.architectures))]
        count = seeds or task.splits.fold_count or config.seeds
        of_task = _runs_of_task(config, path, entry, task, names, count, shorter)
        runs += of_task if not tasks or entry in tasks else []
    return runs


def _runs_of_task(config, path, entry, task, names, seeds, shorter):
    """The runs of one entry of a suite, seed by seed, the baseline ahead and once a fold."""
    name = task.task or entry
    if name not in TASKS:
        raise ConfigError(_unknown("task", name, list(TASKS)))
    model = _validate(TASKS[name].Model, task.model, f"{path.name}, {entry}, model")
    for architecture in names:
        _check(architecture, path.name)
    for architecture in task.overrides:
        _check(architecture, f"{path.name}, {entry}, overrides")
    common = {
        "suite": path.stem,
        "entry": entry,
        "task": name,
        "dataset": task.dataset,
        "features": tuple(task.features.items()),
        "preset": task.preset or _identifier(task.dataset),
        "quality": task.quality,
    }
    training = {
        architecture: _validate(
            TrainingConfig,
            {**task.training.model_dump(), **task.overrides.get(architecture, {}), **shorter},
            f"{path.name}, {entry}, overrides of {architecture}",
        )
        for architecture in names
    }
    trains_itself = any(of_one.self_training for of_one in training.values())
    if task.splits.unlabelled and not (
        task.model.get("embedding_window") or task.model.get("pretraining_epochs") or trains_itself
    ):
        raise ConfigError(
            f"{path.name}, {entry}: `unlabelled` needs `embedding_window` or `pretraining_epochs` "
            "in the model of a sentiment task, or `self_training` in its training; nothing else "
            "reads it."
        )
    if trains_itself and not (TASKS[name].has_self_training and task.splits.unlabelled):
        raise ConfigError(
            f"{path.name}, {entry}: `self_training` works for a sentiment task whose splits name "
            "`unlabelled` texts."
        )
    trained = [architecture for architecture in names if architecture != BASELINE]
    baselines = [
        RunConfig(**common, splits=task.splits.of_seed(fold), architecture=BASELINE, seed=fold)
        for fold in range(min(seeds, task.splits.fold_count or 1))
        if BASELINE in names
    ]
    return baselines + [
        RunConfig(
            **common,
            splits=task.splits.of_seed(seed),
            architecture=architecture,
            seed=seed,
            model=model,
            training=training[architecture],
            equal_parameters=(
                config.equal_parameters if architecture != config.equal_parameters else None
            ),
        )
        for seed, architecture in itertools.product(range(seeds), trained)
    ]


def _listed(names):
    one_way = [name for name in architectures.names() if not architectures.get(name).bidirectional]
    return one_way if names == "all" else names


def every_seed(suite):
    """The runs of a suite with any number of seeds that may have been asked for."""
    return load(suite, seeds=MOST_SEEDS)


def kind(suite):
    """What a suite does, by the key that says it: it trains `tasks` (`load`), times `layers`
    (`load_layers`), or measures `presets` (`load_presets`).

    Raises:
        ConfigError: for an unknown suite, or a file that isn't a suite's.
    """
    content = _read(suite)[1]
    return next((key for key in ("layers", "presets") if key in content), "tasks")


def load_layers(suite, chosen=None):
    """The `LayersConfig` of a suite that times layers.

    Args:
        suite: str, a name of `suites()`, or the path of a YAML file.
        chosen: list of str or None, these layers instead of the suite's.

    Raises:
        ConfigError: as `load`.
    """
    path, content = _read(suite)
    overrides = {"suite": path.stem, **({"layers": chosen} if chosen else {})}
    return _validate(LayersConfig, {**content, **overrides}, path.name)


def load_presets(suite):
    """The `PresetsConfig` of a suite that measures presets.

    Raises:
        ConfigError: as `load`.
    """
    path, content = _read(suite)
    return _validate(PresetsConfig, {**content, "suite": path.stem}, path.name)


def _read(suite):
    path = Path(suite) if suite.endswith((".yaml", ".yml")) else SUITES / f"{suite}.yaml"
    if not path.is_file():
        raise ConfigError(_unknown("suite", suite, suites()))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name}: expected keys and values. Received: {content!r}")
    if "based_on" in content:
        content = _merged(_read(content["based_on"])[1], content)
    return path, content


def _merged(base, changes):
    """A dict of both, where a dict in both is merged in turn."""
    merged = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = _merged(old, value) if both else value
    return merged


def _identifier(dataset):
    """A dataset's name as presets have it: `multi30k/de-en` is `multi30k_de_en`."""
    return re.sub(r"\W+", "_", folder_name(dataset))


def _check(architecture, where):
    known = [BASELINE, *architectures.names()]
    if architecture not in known:
        raise ConfigError(f"{where}: {_unknown('architecture', architecture, known)}")


def _validate(cls, content, where):
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected keys and values. Received: {content!r}")
    try:
        return cls.model_validate(content)
    except pydantic.ValidationError as error:
        raise ConfigError(
            "\n".join(f"{where}: {_explain(cls, detail)}" for detail in error.errors())
        ) from error


def _explain(cls, detail):
    place = ".".join(str(part) for part in detail["loc"])
    if detail["type"] != "extra_forbidden":
        of = f"{place}: " if place else ""  # what keys say together is of none of them
        return f"{of}{detail['msg']}. Received: {detail['input']!r}"
    *parents, key = detail["loc"]
    for parent in parents:
        inner = cls.model_fields[parent].annotation if parent in cls.model_fields else cls
        cls = inner if isinstance(inner, type) else TaskConfig
    return _unknown("key", place, list(cls.model_fields), str(key))


def _unknown(kind, received, known, last=None):
    near = difflib.get_close_matches(last or received, known, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {kind} {received!r}.{hint} Known: {', '.join(known)}."
