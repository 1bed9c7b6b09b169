"""Step `ensemble`: the earlier steps train several models, which predict together."""

from typing import ClassVar

import pydantic

from benchmarks.recipes import ngrams
from benchmarks.recipes.step import Step, Trained, makes_ensemble, total_epochs, train
from zoo import models
from zoo.layers import architectures


class NgramKeys(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Keys of the auxiliary n-gram model.

    Attributes:
        order: maximum length of an n-gram.
        count: maximum number of n-grams.
    """

    order: pydantic.PositiveInt
    count: pydantic.PositiveInt = 200_000


class Ensemble(Step, frozen=True):
    """Trains models that differ in their seeds or architectures, and averages their outputs.

    A member that already has a finished run, in any suite, is loaded from it.

    Attributes:
        members: number of recurrent models of each architecture.
        architectures: those of the members; by default the run's.
        ngrams: `NgramKeys` of an auxiliary n-gram model, an additional member; or None.
    """

    name: ClassVar[str] = "ensemble"

    members: pydantic.PositiveInt = 1
    # Left out of a configuration without it, so that older runs are still found.
    architectures: tuple[str, ...] = pydantic.Field((), exclude_if=lambda names: not names)
    ngrams: NgramKeys | None = None

    @pydantic.field_validator("architectures")
    @classmethod
    def _known(cls, names):
        for name in names:
            architectures.get(name)
        return names

    @property
    def _networks(self):
        """Number of recurrent members."""
        return self.members * max(1, len(self.architectures))

    def check(self, task, model, splits, before):
        if self._networks == 1 and self.ngrams is None:
            raise ValueError(
                "an ensemble needs at least two `members` or `architectures`, or `ngrams`"
            )
        if not any(step.trains for step in before):
            raise ValueError("the earlier steps train the members: add one such as `fit` before it")
        if makes_ensemble(before):
            raise ValueError("the members of an ensemble can't be ensembles themselves")
        if self.ngrams and "ngrams" not in task.supports:
            raise ValueError("`ngrams` need a task that classifies texts")

    def total_epochs(self, before):
        return self._networks * total_epochs(before)

    def is_ensemble(self, before):
        return True

    def reuses(self, config, before):
        return [
            config.model_copy(update={"architecture": name, "seed": seed, "recipe": before})
            for name in self.architectures or [config.architecture]
            for seed in range(config.seed * self.members, (config.seed + 1) * self.members)
        ]

    def run(self, training, before):
        configs = self.reuses(training.config, before)
        members = [
            self._member(training.branch(f"member_{number}", config=config, seed=config.seed))
            for number, config in enumerate(configs)
        ]
        if self.ngrams:
            members.append(self._ngrams(training, members[0]))
        model = models.ensemble(members)
        values = training.task.validate(model, training.config)
        return Trained(model, {f"val/{name}": value for name, value in values.items()})

    def _member(self, training):
        if training.pseudo_labelled is None:
            finished = training.find(training.config)
            if finished:
                training.log.add_finished(finished)
                training.log.notes[training.checkpoints.name] = finished.source
                return finished.model
        return train(training, training.config.recipe).model

    def _ngrams(self, training, member):
        """The auxiliary model. It is fitted once, since only the labelled examples affect it."""
        if self.ngrams not in training.shared:
            training.shared[self.ngrams] = ngrams.fitted(
                training.task.examples("train"), member, self.ngrams.order, self.ngrams.count
            )
        model, seconds = training.shared[self.ngrams]
        training.log.spend("ngrams", seconds)
        return model
