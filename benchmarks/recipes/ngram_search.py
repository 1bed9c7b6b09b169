"""Steps `word_ngrams` and `character_ngrams`: n-gram models for a recogniser's beam search."""

import itertools
from typing import ClassVar

import pydantic

from benchmarks.recipes.step import Step, Trained, train


class NgramSearch(Step, frozen=True):
    """Base class of the steps that add an n-gram model of the training transcripts to a recogniser.

    The weight of the n-gram model and the bonus for each word are those of the candidates with the
    best validation metric. A recogniser with a finished run of the earlier steps, in any suite, is
    loaded from it.

    Attributes:
        unit: what a token of the n-gram model is.
        order: length of the longest n-gram in tokens.
        beam_width: texts that the search keeps after each step.
        weights: candidates for the weight of the n-gram model.
        word_bonuses: candidates for the bonus for each word.
    """

    unit: ClassVar[str]

    order: pydantic.PositiveInt
    beam_width: int = pydantic.Field(gt=1)
    weights: tuple[pydantic.NonNegativeFloat, ...] = pydantic.Field(min_length=1)
    word_bonuses: tuple[float, ...] = pydantic.Field((0.0,), min_length=1)

    def check(self, task, model, splits, before):
        if not any(step.trains for step in before):
            raise ValueError("the earlier steps train the recogniser: add one such as `fit`")

    def reuses(self, config, before):
        return [config.model_copy(update={"recipe": before})]

    def run(self, training, before):
        (recogniser,) = self.reuses(training.config, before)
        found = training.find(recogniser)
        if found:
            training.log.add_finished(found)
            training.log.notes["recogniser"] = found.source
            model = found.model
        else:
            model = train(training, before).model
        values = training.task.validate(model, training.config)
        best = training.task.add_ngrams(
            model,
            self.unit,
            self.order,
            self.beam_width,
            list(itertools.product(self.weights, self.word_bonuses)),
        )
        return Trained(model, {"val/loss": values["loss"], **best})


class WordNgramSearch(NgramSearch, frozen=True):
    """Adds an n-gram model of words."""

    name: ClassVar[str] = "word_ngrams"
    unit: ClassVar[str] = "word"


class CharacterNgramSearch(NgramSearch, frozen=True):
    """Adds an n-gram model of characters."""

    name: ClassVar[str] = "character_ngrams"
    unit: ClassVar[str] = "character"
