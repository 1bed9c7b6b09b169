"""Step `ensemble`: the earlier steps train several models, which predict together."""

from typing import ClassVar

import pydantic

from benchmarks.recipes import ngrams
from benchmarks.recipes.step import Step, Trained, total_epochs, train
from zoo import models


class NgramKeys(pydantic.BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Keys of the auxiliary n-gram model.

    Attributes:
        order: maximum length of an n-gram.
        count: maximum number of n-grams.
    """

    order: pydantic.PositiveInt
    count: pydantic.PositiveInt = 200_000


class Ensemble(Step, frozen=True):
    """Trains models that differ in their seeds, and averages their outputs.

    A member that already has a finished run, in any suite, is loaded from it.

    Attributes:
        members: number of recurrent models.
        ngrams: `NgramKeys` of an auxiliary n-gram model, an additional member; or None.
    """

    name: ClassVar[str] = "ensemble"

    members: pydantic.PositiveInt = 1
    ngrams: NgramKeys | None = None

    def check(self, task, model, splits, before):
        if self.members == 1 and self.ngrams is None:
            raise ValueError("an ensemble needs at least two `members`, or `ngrams`")
        if not any(step.trains for step in before):
            raise ValueError("the earlier steps train the members: add one such as `fit` before it")
        if any(step.name == self.name for step in before):
            raise ValueError("a recipe can have only one step `ensemble`")
        if self.ngrams and "ngrams" not in task.supports:
            raise ValueError("`ngrams` need a task that classifies texts")

    def total_epochs(self, before):
        return self.members * total_epochs(before)

    def reuses(self, config, before):
        seeds = [config.seed * self.members + number for number in range(self.members)]
        return [config.model_copy(update={"seed": seed, "recipe": before}) for seed in seeds]

    def run(self, training, before):
        members = [self._member(training, number, before) for number in range(self.members)]
        if self.ngrams:
            members.append(self._ngrams(training, members[0]))
        model = models.ensemble(members)
        values = training.task.validate(model, training.config)
        return Trained(model, {f"val/{name}": value for name, value in values.items()})

    def _member(self, training, number, before):
        config = self.reuses(training.config, before)[number]
        member = training.branch(f"member_{number}", seed=config.seed)
        if training.pseudo_labelled is None:
            finished = training.find(config)
            if finished:
                training.log.add_finished(finished)
                training.log.notes[f"member_{number}"] = finished.source
                return finished.model
        return train(member, before).model

    def _ngrams(self, training, member):
        """The auxiliary model. It is fitted once, since only the labelled examples affect it."""
        if self.ngrams not in training.shared:
            training.shared[self.ngrams] = ngrams.fitted(
                training.task.examples("train"), member, self.ngrams.order, self.ngrams.count
            )
        model, seconds = training.shared[self.ngrams]
        training.log.spend("ngrams", seconds)
        return model
