"""Language modelling: predicts the next token of a text."""

import dataclasses
import functools
import math
import time
from typing import Literal

import numpy as np
import pydantic

from benchmarks.metrics import BITS_PER_CHARACTER, PERPLEXITY, bootstrap
from benchmarks.tasks import token_prediction
from benchmarks.tasks.neural_cache import NeuralCache
from benchmarks.tasks.task import Baseline, Evaluation, Examples, Task
from benchmarks.tasks.token_prediction import TokenModelConfig
from zoo import models
from zoo.datasets.errors import DatasetError
from zoo.models.kneser_ney import KneserNey
from zoo.models.tokenizer import UNITS

UNKNOWN = "<unk>"
# From the beginning of a single document: its end is most like the test split, which follows it.
HELD_OUT = 0.05
BLOCK = 256  # tokens of a block that is scored without earlier context, or drawn by the bootstrap
WORD_ORDER, CHARACTER_ORDER = 5, 7  # n-grams of the baseline
SAMPLES = 5
SAMPLE_TOKENS = 200


class LanguageModelling(Task):
    """Predicts texts, the dataset's feature `text`, with a recurrent `LanguageModel`.

    The texts of a split are read as one text, in order. If the suite names the same split for
    training and validation, which a corpus of one document needs, its beginning is used for
    validation and not for training.

    A corpus with `<unk>` has a closed vocabulary of words, and its metric is the perplexity per
    word, newlines included; the perplexity with a `NeuralCache` is a detail. The metric of others
    is bits per character, so that models with different tokens are comparable. On validation it is
    the perplexity per token.
    """

    validation_metric = PERPLEXITY
    feature = "text"
    supports = ("truncated_bptt", "ensemble")
    one_direction = True

    class Model(TokenModelConfig, frozen=True):
        unit: Literal[tuple(UNITS)]
        vocabulary_size: pydantic.PositiveInt

    @property
    def metric(self):
        return PERPLEXITY if self.has_words else BITS_PER_CHARACTER

    @functools.cached_property
    def has_words(self):
        """Whether the corpus has a closed vocabulary of words, a bool."""
        return any(UNKNOWN in text for text in self.read("train")["text"])

    def read_examples(self, split):
        texts = self.read(split)["text"]
        if split != "test" and self.read("train")["text"] == self.read("validation")["text"]:
            text = "".join(texts)
            start = int(HELD_OUT * len(text))
            texts = [text[start:] if split == "train" else text[:start]]
        return Examples(texts, None)

    def check(self, config):
        if config.model.unit == "word" and not self.has_words:
            raise DatasetError(
                f"`unit: word` needs a corpus whose rare words are {UNKNOWN}, since others have no "
                "probability. Use `unit: subword` or `unit: character`."
            )

    def build(self, config):
        tokenizer = self._tokenizer(config.model.unit, config.model.vocabulary_size)
        preprocessor = models.LanguageModelPreprocessor(tokenizer)
        train = np.concatenate(self._encoded(preprocessor, tuple(self.examples("train").inputs)))
        counts = np.bincount(train, minlength=tokenizer.vocabulary_size())
        backbone = token_prediction.backbone(
            models.LanguageBackbone, config, tokenizer, counts, timescale=BLOCK
        )
        return models.LanguageModel(backbone, preprocessor)

    def documents(self, model, examples):
        """The token ids of each text, a list of int32 arrays."""
        return self._encoded(model.preprocessor, tuple(examples.inputs))

    def validate(self, model, config):
        (scores,) = model.score_token_ids([self._text(model, "validation")])
        loss = -float(scores.mean(dtype="float64"))
        return {"loss": loss, "perplexity": math.exp(loss)}

    def evaluate(self, model, config):
        tokens = self._text(model, "test")
        scores = model.score_token_ids([tokens])[0]
        evaluation = self._evaluation(-scores)
        blocks = [tokens[start : start + BLOCK] for start in range(0, len(tokens) - 1, BLOCK)]
        # Each block's first token is only read, not scored.
        cold = np.concatenate(model.score_token_ids([block for block in blocks if len(block) > 1]))
        details = {
            **evaluation.details,
            f"{self.metric.name}_of_blocks": self._value(-cold.mean(), len(tokens) - 1),
        }
        if self.has_words:
            cached = self._with_cache(model, scores, tokens)
            details[f"{self.metric.name}_with_cache"] = self._value(-cached.mean(), len(tokens) - 1)
        return dataclasses.replace(
            evaluation, details=details, texts={"samples.txt": self._samples(model)}
        )

    def _text(self, model, split):
        """The token ids of a split as one text, after those with which every text begins."""
        start = model.preprocessor.token_ids([""])[0]
        return np.concatenate([start, *self.documents(model, self.examples(split))])

    def _with_cache(self, model, scores, tokens):
        """The log-probabilities with a neural cache, which is chosen on the validation split."""
        validation = self._text(model, "validation")
        cache = NeuralCache.chosen(
            model.score_token_ids([validation])[0], model.outputs_of(validation), validation[1:]
        )
        return cache.log_probabilities(scores, model.outputs_of(tokens), tokens[1:])

    def baseline(self):
        """A Kneser-Ney model of words, or of characters if the vocabulary is open."""
        train, test = (self.examples(split).inputs for split in ("train", "test"))
        start = time.perf_counter()
        tokens = _words if self.has_words else list
        known = {UNKNOWN: 0}
        for text in train:
            for token in dict.fromkeys(tokens(text)):
                known.setdefault(token, len(known))
        encode = lambda texts: np.array(
            [known.get(token, 0) for text in texts for token in tokens(text)]
        )
        order = WORD_ORDER if self.has_words else CHARACTER_ORDER
        model = KneserNey.fit([encode(train)], order, len(known))
        seconds = time.perf_counter() - start
        losses = -model.log_probabilities(encode(test))
        return Baseline(
            name=f"Kneser-Ney {order}-grams of {'words' if self.has_words else 'characters'}",
            seconds=seconds,
            parameters=model.parameters,
            evaluation=self._evaluation(losses),
        )

    def example(self):
        return self.examples("validation").inputs[0].lstrip()[:40].rpartition(" ")[0]

    def plotted_input(self):
        lines = [line for text in self.examples("test").inputs for line in text.split("\n")]
        lines = sorted((line for line in lines if 20 < len(line) <= 120), key=len)
        return lines[len(lines) // 2] if lines else self.example()

    def _evaluation(self, losses):
        """The `Evaluation` of the test split's negative log-probabilities, float `[tokens]`."""
        means = [losses[i : i + BLOCK].mean() for i in range(0, len(losses) - BLOCK + 1, BLOCK)]
        low, high = bootstrap(means or losses)
        unit = "perplexity per word, newlines included" if self.has_words else "bits per character"
        return Evaluation(
            self._value(losses.mean(), len(losses)),
            (self._value(low, len(losses)), self._value(high, len(losses))),
            f"{unit}, states carried over the whole split",
            details={"nats_per_character": float(losses.sum()) / self._characters("test")},
        )

    def _value(self, nats, count):
        """The metric of the test split, given the nats per token and the number of tokens."""
        if self.has_words:
            words = sum(len(_words(text)) for text in self.examples("test").inputs)
            return math.exp(float(nats) * count / words)
        return float(nats) * count / self._characters("test") / math.log(2)

    def _characters(self, split):
        return sum(map(len, self.examples(split).inputs))

    def _samples(self, model):
        prompts = [self.example(), *[""] * (SAMPLES - 1)]
        samples = model.generate(prompts, max_length=SAMPLE_TOKENS, seed=0)
        return "\n\n---\n\n".join(samples)

    @functools.cache  # noqa: B019 - a task lives as long as its process
    def _tokenizer(self, unit, vocabulary_size):
        return models.SubwordTokenizer.train(
            self.examples("train").inputs,
            vocabulary_size,
            unit=unit,
            byte_fallback=unit == "subword",
            keep_whitespace=True,
        )

    @functools.cache  # noqa: B019
    def _encoded(self, preprocessor, texts):
        start = preprocessor.prefix_length
        return [np.asarray(row[start:], "int32") for row in preprocessor.token_ids(texts)]


def _words(text):
    """The words of a text, and a newline for each of its ends of line."""
    return [word for word in text.replace("\n", " \n ").split(" ") if word]
