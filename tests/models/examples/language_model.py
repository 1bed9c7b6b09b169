"""A language model."""

import functools

import keras
import numpy as np
from texts import TEXTS

from examples.text_classifier import argument
from zoo import models
from zoo.layers import architectures

__all__ = ["argument"]

ARCHITECTURES = [
    name for name in architectures.names() if not architectures.get(name).bidirectional
]
INPUTS = ["a fine film\nwith wit", "dull", "", "a bad 😀 film"]


@functools.cache
def tokenizer(unit="subword"):
    options = {"byte_fallback": unit == "subword", "keep_whitespace": True}
    return models.SubwordTokenizer.train(TEXTS, 300, unit=unit, **options)


def build(architecture="gru", unit="subword"):
    backbone = models.LanguageBackbone(
        tokenizer(unit).vocabulary_size(), architecture, embedding_dim=8, units=6
    )
    return models.LanguageModel(backbone, models.LanguageModelPreprocessor(tokenizer(unit)))


def batch(model):
    return model.preprocessor(INPUTS)


def export_inputs(model):
    """A token and states of a batch of two."""
    generator = np.random.default_rng(0)
    states = keras.tree.flatten(model.backbone.initial_states(2))
    names = [f"state_0_{part}" for part in range(len(states))]
    drawn = [generator.normal(size=state.shape).astype("float32") for state in states]
    return {"token_ids": np.array([5, 7], "int32"), **dict(zip(names, drawn, strict=True))}
