"""Sentiment: the class of a text, by a recurrent text classifier."""

import functools
import time
from typing import Literal

import numpy as np
import pydantic

from benchmarks.tasks import cooccurrence, ngrams
from benchmarks.tasks.adversarial import AdversarialTraining
from benchmarks.tasks.pretraining import pretrain_once
from benchmarks.tasks.task import Task, accuracy, bucketed_batches, logistic_baseline
from zoo import models
from zoo.models.pooling import METHODS


class Sentiment(Task):
    """Text and label; the metric is accuracy."""

    metric = "accuracy"
    input_name = "text"
    feature = "text"
    has_self_training = True

    class Model(pydantic.BaseModel, frozen=True, extra="forbid"):
        vocabulary_size: pydantic.PositiveInt
        embedding_dim: pydantic.PositiveInt
        units: pydantic.PositiveInt
        bidirectional: bool
        num_layers: pydantic.PositiveInt
        pooling: Literal[METHODS]
        dropout: float = pydantic.Field(ge=0, lt=1)
        token_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
        max_length: pydantic.PositiveInt
        embedding_window: pydantic.NonNegativeInt = 0
        pretraining_epochs: pydantic.NonNegativeInt = 0
        pretraining_window: pydantic.PositiveInt = 10
        adversarial_norm: pydantic.NonNegativeFloat = 0.0
        ngram_order: pydantic.NonNegativeInt = 0
        ngram_count: pydantic.PositiveInt = 200_000

        @pydantic.model_validator(mode="after")
        def _one_layer_is_pretrained(self):
            if self.pretraining_epochs and self.num_layers > 1:
                raise ValueError("`pretraining_epochs` needs a model of one layer (`num_layers`)")
            return self

    def build(self, config):
        model = config.model
        tokenizer = self._tokenizer(model.vocabulary_size)
        backbone = models.TextBackbone(
            tokenizer.vocabulary_size(),
            config.architecture,
            embedding_dim=model.embedding_dim,
            units=model.units,
            bidirectional=model.bidirectional,
            num_layers=model.num_layers,
            dropout=model.dropout,
            token_dropout=model.token_dropout,
        )
        if model.embedding_window:
            embeddings = self._embeddings(
                model.vocabulary_size, model.embedding_dim, model.embedding_window, model.max_length
            )
            backbone.token_embedding.set_weights([embeddings])
        return models.TextClassifier(
            backbone,
            labels=self.features["label"].names,
            preprocessor=models.TextClassifierPreprocessor(tokenizer, model.max_length),
            pooling=model.pooling,
            dropout=model.dropout,
        )

    def pretrain(self, model, config, update):
        if not config.model.pretraining_epochs:
            return {}
        token_ids, padding_mask = self._tokens_of_all(
            config.model.vocabulary_size, config.model.max_length
        )
        loss, seconds = pretrain_once(
            model.backbone,
            token_ids[padding_mask],
            config.model.pretraining_window,
            config.model.pretraining_epochs,
            config.seed,
            update,
        )
        return {"pretraining/loss": loss, "pretraining/seconds": seconds}

    def trainer(self, model, config):
        norm = config.model.adversarial_norm
        return AdversarialTraining(model, norm) if norm else model

    def companions(self, config):
        model = config.model
        if not model.ngram_order:
            return super().companions(config)
        classifier, seconds = self._ngrams(
            model.vocabulary_size, model.max_length, model.ngram_order, model.ngram_count
        )
        return [classifier], seconds

    def loss(self, config):
        return "categorical_crossentropy" if config.training.self_training else "auto"

    def batches(self, model, split, config, shuffle):
        texts, targets = self._examples(split, config)
        return self._batches(model, texts, targets, config, shuffle)

    def self_training_batches(self, model, config, labels):
        texts, targets = self._examples("train", config)
        texts = texts + self.read("unlabelled")["text"]
        return self._batches(model, texts, np.concatenate([targets, labels]), config, shuffle=True)

    def _examples(self, split, config):
        """Texts and labels of a split, as probabilities where others will be of that kind."""
        data = self.read(split)
        labels = np.asarray(data["label"])
        if config.training.self_training:
            labels = np.eye(len(self.features["label"].names), dtype="float32")[labels]
        return data["text"], labels

    def _batches(self, model, texts, targets, config, shuffle):
        inputs = model.preprocessor(texts)
        lengths = inputs["padding_mask"].sum(axis=1)

        def columns(chosen):
            width = lengths[chosen].max()
            return {name: array[chosen, :width] for name, array in inputs.items()}, targets[chosen]

        seed = config.seed if shuffle else None
        return bucketed_batches(columns, lengths, config.training.batch_size, seed)

    def evaluate(self, model, config):
        test = self.read("test")
        return accuracy(test["label"], model.predict(test["text"]), model.labels, test["text"])

    def baseline(self):
        """TF-IDF of words and pairs of words with logistic regression: it ignores order
        beyond two words."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        return logistic_baseline(
            "TF-IDF of one and two words",
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            self.labelled(),
            self.features["label"].names,
            candidates=(1.0, 4.0, 16.0),
        )

    @functools.cache  # noqa: B019 - a task lives as long as its process
    def _tokenizer(self, vocabulary_size):
        return models.SubwordTokenizer.train(
            self.read("train")["text"], vocabulary_size, lowercase=True
        )

    @functools.cache  # noqa: B019
    def _tokens_of_all(self, vocabulary_size, max_length):
        """Of the texts to train on, and of those without labels, if the suite names some."""
        texts = self.read("train")["text"] + (self.read("unlabelled") or {"text": []})["text"]
        return self._tokenizer(vocabulary_size).pack(texts, end=True, max_length=max_length)

    @functools.cache  # noqa: B019
    def _ngrams(self, vocabulary_size, max_length, order, count):
        data = self.read("train")
        tokenizer = self._tokenizer(vocabulary_size)
        preprocessor = models.TextClassifierPreprocessor(tokenizer, max_length)
        names = self.features["label"].names
        start = time.perf_counter()
        inputs, labels = preprocessor(data["text"]), np.asarray(data["label"])
        classifier = ngrams.fit(inputs, labels, names, preprocessor, order, count)
        return classifier, time.perf_counter() - start

    @functools.cache  # noqa: B019
    def _embeddings(self, vocabulary_size, dimensions, window, max_length):
        token_ids, padding_mask = self._tokens_of_all(vocabulary_size, max_length)
        size = self._tokenizer(vocabulary_size).vocabulary_size()
        return cooccurrence.embeddings(
            np.where(padding_mask, token_ids, 0), size, dimensions, window
        )
