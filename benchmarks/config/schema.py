"""The shape of a suite file and of one run: frozen objects that know no file."""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from benchmarks.layers.implementations import FAMILIES, IMPLEMENTATIONS
from benchmarks.recipes import Step

BASELINE = "baseline"
MOST_SEEDS = 20
# Names of a run and the target that it is compared with: none decides what it computes.
NAMES = ("suite", "entry", "quality", "preset")


class Splits(pydantic.BaseModel, frozen=True, extra="forbid"):
    """Where the three splits come from.

    Each is an expression in the notation of TensorFlow Datasets, such as `train[:90%]`. With
    `feature`, the name of a text feature, the dataset's `train` is divided instead: each split is a
    regular expression that is searched for in that feature. With `folds`, a list of words, each
    seed puts the next word in the place of `FOLD`, so that each is held out once. `unlabelled` is
    a split without labels, to learn an embedding from, to pretrain on or to pseudo-label.
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
    """Everything that decides what one run computes.

    A baseline has no `model` and no `recipe`. With `equal_parameters`, the name of an architecture,
    `model.units` are that architecture's, and others get the units that make as many parameters.
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

    def resolved(self):
        """The whole config with every default, as JSON has it; each step with its version."""
        content = self.model_dump(mode="json", exclude={"recipe"})
        content["recipe"] = [
            {"step": step.name, "version": step.VERSION, **step.model_dump(mode="json")}
            for step in self.recipe
        ]
        return content

    def as_json(self):
        """The whole config as a line of JSON, which `benchmarks.config.from_json` reads."""
        return json.dumps(self.resolved())

    def flat(self):
        """The config as one level of `key: value`, nested keys joined with a dot."""
        content = self.resolved()
        names = [step.pop("step") for step in content["recipe"]]
        for number, (name, step) in enumerate(zip(names, content.pop("recipe"), strict=True)):
            repeated = names[:number].count(name)
            content[f"{name}_{repeated + 1}" if repeated else name] = step
        return _flat(content)

    @property
    def digest(self):
        """SHA-256 of what is computed, whatever the suite is called."""
        decisive = {key: value for key, value in self.resolved().items() if key not in NAMES}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _flat(content, prefix=""):
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = value
    return flat


def folder_name(dataset):
    """The name of a dataset that may be a folder."""
    folder = Path(dataset).expanduser()
    return folder.resolve().name if folder.is_dir() else dataset


# The name of a step and its keys.
OneStep = Annotated[dict[str, dict | None], pydantic.Field(min_length=1, max_length=1)]


class TaskConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """One entry of a suite's tasks.

    `task` is the task kind where the entry isn't called like it, `recipe` the steps of the training
    in their order, `architectures` those of this entry where they aren't the suite's, `features`
    the dataset's name of a feature that the task knows by another one, and `preset` the dataset's
    name in presets.
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
    """A suite file that trains models. `architectures` may be `all`: those of the registry that
    read in one direction."""

    architectures: Annotated[list[str], pydantic.Field(min_length=1)] | Literal["all"]
    seeds: int = pydantic.Field(ge=1, le=MOST_SEEDS)
    tasks: dict[str, TaskConfig] = pydantic.Field(min_length=1)
    equal_parameters: str | None = None


class LayersConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A suite file that times layers instead of training models."""

    suite: str
    layers: list[Literal[FAMILIES]]
    shapes: list[tuple[(pydantic.PositiveInt,) * 4]]
    implementations: list[Literal[tuple(IMPLEMENTATIONS)]]
    rounds: pydantic.PositiveInt
    least_ms: pydantic.PositiveFloat


class PresetsConfig(pydantic.BaseModel, frozen=True, extra="forbid"):
    """A suite file that measures the pretrained models anew."""

    suite: str
    presets: str
