"""Sentiment: classifies texts."""

import functools
from typing import Literal

import numpy as np
import pydantic

from benchmarks.tasks import cooccurrence
from benchmarks.tasks.batches import Batches
from benchmarks.tasks.classification import Classification, ClassifierConfig, accuracy
from zoo import models
from zoo.models.pooling import METHODS


class Sentiment(Classification):
    """Classifies texts, the dataset's feature `text`, with a recurrent `TextClassifier`."""

    feature = "text"
    supports = (*Classification.supports, "pretrain", "adversarial", "ngrams", "sentences")

    class Model(ClassifierConfig, frozen=True):
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

        @property
        def reads_unlabelled(self):
            return bool(self.embedding_window)

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
            labels=self.labels,
            preprocessor=models.TextClassifierPreprocessor(tokenizer, model.max_length),
            pooling=model.pooling,
            dropout=model.dropout,
        )

    def batches(self, model, examples, config, batch_size=32):
        inputs = model.preprocessor(examples.inputs)
        lengths = inputs["padding_mask"].sum(axis=1)

        def columns(chosen, generator):
            width = lengths[chosen].max()
            batch = {name: array[chosen, :width] for name, array in inputs.items()}
            return batch, examples.targets[chosen]

        return Batches(examples, columns, lengths, batch_size)

    def evaluate(self, model, config):
        test = self.examples("test")
        return accuracy(test.targets, model.predict(test.inputs), model.labels, test.inputs)

    def baseline(self):
        """Logistic regression on TF-IDF of words and word pairs; it ignores longer-range order."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        return self.linear_baseline(
            "TF-IDF of one and two words",
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            candidates=(1.0, 4.0, 16.0),
        )

    @functools.cache  # noqa: B019 - a task lives as long as its process
    def _tokenizer(self, vocabulary_size):
        return models.SubwordTokenizer.train(
            self.read("train")["text"], vocabulary_size, lowercase=True
        )

    @functools.cache  # noqa: B019
    def _embeddings(self, vocabulary_size, dimensions, window, max_length):
        """Count-based embeddings of the training and unlabelled texts."""
        texts = self.read("train")["text"] + self.unlabelled()
        tokenizer = self._tokenizer(vocabulary_size)
        token_ids, padding_mask = tokenizer.pack(texts, end=True, max_length=max_length)
        return cooccurrence.embeddings(
            np.where(padding_mask, token_ids, 0), tokenizer.vocabulary_size(), dimensions, window
        )
