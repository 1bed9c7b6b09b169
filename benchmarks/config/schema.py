"""The schema of suite files and of runs: frozen pydantic models, independent of any file."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from benchmarks.config.errors import ConfigError, unknown, validate
from benchmarks.layers.implementations import FAMILIES, IMPLEMENTATIONS
from benchmarks.recipes import Step

BASELINE = "baseline"
# Keras policies that the models of a run may have.
FLOAT32 = "float32"
DTYPES = (FLOAT32, "mixed_bfloat16")
# The value for architectures without their own, where a value may differ by architecture.
BY_DEFAULT = "default"
MAX_SEEDS = 20
# Keys that don't affect what a run computes, and so aren't in its digest.
OUTSIDE_DIGEST = ("suite", "entry", "quality", "preset", "if_available")


SPLITS = ("train", "validation", "test", "unlabelled")


class Splits(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How the splits are selected from the dataset.

    Attributes:
        train, validation, test: expressions in the notation of TensorFlow Datasets, such as
            `train[:90%]`; with `feature`, regular expressions.
        unlabelled: a split without labels, for embeddings, pretraining or pseudo-labels.
        feature: name of a text feature that divides the dataset's `train`: a split has the examples
            in which `re.search` finds its regular expression.
        folds: words for cross-validation. Each seed replaces `FOLD` in the expressions by the next
            word, so each is held out once.

    A task with gaps replaces `GAP` in the expressions by the gap that it reads.
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
            splits = self.of_seed(seed)
            for split in SPLITS:
                try:
                    re.compile(getattr(splits, split) or "")
                except re.error as error:
                    raise ValueError(f"{split} is not a regular expression: {error}") from error
        return self

    @property
    def fold_count(self):
        return len(self.folds or ())

    def of_seed(self, seed):
        """The splits of the run with this seed: `FOLD` is replaced by the seed's fold."""
        if not self.folds:
            return self
        fold = self.folds[seed % self.fold_count]
        named = {name: getattr(self, name) for name in SPLITS}
        divided = {name: text and text.replace("FOLD", fold) for name, text in named.items()}
        return self.model_copy(update=divided)


class RunConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Everything that determines what one run computes.

    Attributes:
        suite, entry: the suite, and the key of its `tasks`.
        task: the task kind.
        dataset: name of a dataset, or path of a folder.
        splits: `Splits` of this run's seed.
        features: pairs of the task's name of a feature, and the dataset's.
        preset: name of the dataset in presets.
        architecture: name of an architecture, or of a baseline of the task.
        seed: int.
        quality: quality target on the validation split.
        model: the task's validated `model` keys; None for a baseline.
        recipe: the steps of the training; empty for a baseline.
        equal_parameters: name of an architecture or None. `model.units` are that architecture's;
            this run gets the number of units that gives it as many parameters.
        if_available: whether the run is skipped if its dataset isn't available.
        dtype: the data type policy of the model, one of `DTYPES`. Presets have float32.
    """

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
    model: pydantic.SerializeAsAny[pydantic.BaseModel] | None = None
    recipe: tuple[pydantic.SerializeAsAny[Step], ...] = ()
    equal_parameters: str | None = None
    if_available: bool = False
    # Left out of a configuration without it, so that older runs are still found.
    dtype: Literal[DTYPES] = pydantic.Field(FLOAT32, exclude_if=lambda dtype: dtype == FLOAT32)

    def owners(self, name):
        """The objects with a key: the model, or else steps of the recipe; a list."""
        has = lambda part: name in type(part).model_fields
        return [self.model] if has(self.model) else [step for step in self.recipe if has(step)]

    def with_values(self, values):
        """The configuration with other values of keys of the model, or else of the recipe.

        Args:
            values: dict by name.

        Raises:
            ConfigError: neither has such a key, or a value isn't valid.
        """
        parts = (self.model, *self.recipe)
        for name in values:
            if not self.owners(name):
                known = [key for part in parts for key in type(part).model_fields]
                raise ConfigError(f"{self.entry}, search: {unknown('key', name, known)}")

        def changed(part):
            here = {name: value for name, value in values.items() if part in self.owners(name)}
            return validate(type(part), {**part.model_dump(), **here}, f"{self.entry}, search")

        model, *recipe = map(changed, parts)
        return self.model_copy(update={"model": model, "recipe": tuple(recipe)})

    @property
    def dataset_name(self):
        """The name of the dataset; for a folder, its last component."""
        return folder_name(self.dataset)

    @property
    def experiment(self):
        """The name of the MLflow experiment."""
        return experiment_name(self.task, self.dataset_name, self.entry)

    @property
    def title(self):
        """The name of the run."""
        return f"{self.architecture}, seed {self.seed}"

    def resolved(self):
        """The configuration as a JSON-ready dict, with all defaults and step versions."""
        content = self.model_dump(mode="json", exclude={"recipe"})
        content["recipe"] = [
            {"step": step.name, "version": step.VERSION, **step.model_dump(mode="json")}
            for step in self.recipe
        ]
        return content

    def as_json(self):
        """The configuration as a line of JSON, which `benchmarks.config.from_json` reads."""
        return json.dumps(self.resolved())

    def flat(self):
        """The configuration as a flat dict; nested keys are joined with a dot.

        Options that are off by default, and weren't switched on, are left out.
        """
        content = self.resolved()
        recipe = content.pop("recipe")
        content = _without_off(content, self)
        if self.model is not None:
            content["model"] = _without_off(content["model"], self.model)
        names = [keys.pop("step") for keys in recipe]
        for number, (name, keys, step) in enumerate(zip(names, recipe, self.recipe, strict=True)):
            repeated = names[:number].count(name)
            content[f"{name}_{repeated + 1}" if repeated else name] = _without_off(keys, step)
        return _flat(content)

    @property
    def digest(self):
        """SHA-256 of everything that affects what the run computes."""
        content = {k: value for k, value in self.resolved().items() if k not in OUTSIDE_DIGEST}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def experiment_name(task, dataset, entry):
    """The name of an experiment, such as `sentiment/rotten_tomatoes`; an entry that is named after
    neither the task nor the dataset is appended."""
    name = f"{task}/{dataset}"
    return name if entry in (task, dataset) else f"{name}/{entry}"


def is_baseline(name):
    """Whether a name is a baseline's, `baseline` or `baseline_<what>`, not an architecture's."""
    return name.split("_")[0] == BASELINE


def _without_off(content, model):
    """The content of a pydantic model without the options that are off by default and still off."""
    off = {
        name
        for name, field in type(model).model_fields.items()
        if not field.is_required() and not field.default and field.default == getattr(model, name)
    }
    return {name: value for name, value in content.items() if name not in off}


def _flat(content, prefix=""):
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = value
    return flat


def folder_name(dataset):
    """The name of a dataset; for the path of a folder, its last component."""
    folder = Path(dataset).expanduser()
    return folder.resolve().name if folder.is_dir() else dataset


def _by_architecture(seeds):
    """Seeds by architecture, from a number for all or a dict with a default."""
    if not isinstance(seeds, dict):
        return {BY_DEFAULT: seeds}
    if BY_DEFAULT not in seeds:
        raise ValueError(f"seeds by architecture need the key `{BY_DEFAULT}`")
    return seeds


Seeds = Annotated[
    dict[str, Annotated[int, pydantic.Field(ge=1, le=MAX_SEEDS)]],
    pydantic.BeforeValidator(_by_architecture),
]


class Range(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The values of a key that a sweep tries: all between two bounds.

    Attributes:
        low, high: the bounds.
        log: whether the logarithm is uniform, instead of the value.
    """

    low: float
    high: float
    log: bool = False

    @pydantic.model_validator(mode="after")
    def _bounds_differ(self):
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError("`low` must be less than `high`, and above 0 with `log`")
        return self

    def __str__(self):
        return f"{self.low:g}–{self.high:g}{', log' if self.log else ''}"


SEARCH = {
    "learning_rate": Range(low=0.0003, high=0.03, log=True),
    "units": Range(low=16, high=128, log=True),
    "dropout": Range(low=0, high=0.6),
}
# A step in a suite: its name and its keys.
OneStep = Annotated[dict[str, dict | None], pydantic.Field(min_length=1, max_length=1)]


class TaskConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """One entry of a suite's `tasks`.

    Attributes:
        task: the task kind; by default the name of the entry.
        dataset: name of a dataset, or path of a folder.
        splits: `Splits`.
        features: dict from the task's name of a feature to the dataset's.
        preset: name of the dataset in presets; by default derived from `dataset`.
        quality: quality target on the validation split.
        model: the `model` keys of the task.
        recipe: the steps of the training, in order.
        architectures: those of this entry; by default the suite's.
        seeds: as in `SuiteConfig`; by default the suite's.
        baselines: names of the task's baselines to compare with.
        if_available: whether the entry is skipped if its dataset isn't available.
        dtype: the data type policy of the models; by default the suite's.
        search: ranges of keys of the model and of the recipe, for sweeps; by default those of
            `SEARCH` that it has.
    """

    task: str | None = None
    dataset: str
    splits: Splits = Splits()
    features: dict[str, str] = {}
    preset: str | None = None
    quality: float
    model: dict
    recipe: Annotated[list[OneStep], pydantic.Field(min_length=1)]
    architectures: list[str] | None = None
    seeds: Seeds | None = None
    baselines: list[str] = [BASELINE]
    if_available: bool = False
    dtype: Literal[DTYPES] | None = None
    search: Annotated[dict[str, Range], pydantic.Field(min_length=1)] | None = None

    @pydantic.model_validator(mode="after")
    def _folds_differ(self):
        splits = self.splits
        if splits.folds is not None:
            if len(splits.folds) < 2 or len(set(splits.folds)) < len(splits.folds):
                raise ValueError("folds must be two or more distinct words")
            if "FOLD" not in splits.train or "FOLD" not in splits.test:
                raise ValueError("with folds, both train and test must contain the word FOLD")
        return self


class SuiteConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """A suite file that trains models.

    Attributes:
        architectures: names, or `all` for every unidirectional one in the registry.
        seeds: number of seeds, 0, 1, ...; or a dict of it by architecture, with `default`.
        tasks: dict from the name of an entry to its `TaskConfig`.
        equal_parameters: name of an architecture or None; see `RunConfig`.
        dtype: the data type policy of the models.
    """

    architectures: Annotated[list[str], pydantic.Field(min_length=1)] | Literal["all"]
    seeds: Seeds
    tasks: dict[str, TaskConfig] = pydantic.Field(min_length=1)
    equal_parameters: str | None = None
    dtype: Literal[DTYPES] = FLOAT32


class LayersConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """A suite file that times layers.

    Attributes:
        suite: name of the suite.
        layers: names of architectures of one direction.
        shapes: tuples of batch, time, input and units.
        implementations: names in `benchmarks.layers.implementations.IMPLEMENTATIONS`.
        rounds: how often each implementation is timed.
        least_ms: in a round, calls are repeated for at least this many milliseconds.
    """

    suite: str
    layers: list[Literal[FAMILIES]]
    shapes: list[tuple[(pydantic.PositiveInt,) * 4]]
    implementations: list[Literal[tuple(IMPLEMENTATIONS)]]
    rounds: pydantic.PositiveInt
    least_ms: pydantic.PositiveFloat


class PresetsConfig(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """A suite file that measures the pretrained models again.

    Attributes:
        suite: name of the suite.
        presets: pattern of preset names, with wildcards.
        also: dict from a dataset with a split `test` to the pattern of presets that are measured on
            it, too.
        quantize: the mode of `keras.Model.quantize` for the measured models, if any.
        tolerances: dict from a metric to the largest accepted difference between a measured preset
            and its card, instead of the metric's own.
    """

    suite: str
    presets: str
    also: dict[str, str] = {}
    quantize: Literal["int8"] | None = None
    tolerances: dict[str, pydantic.NonNegativeFloat] = {}
