"""A dialogue model."""

import functools
import json

from texts import TEXTS

from examples.language_model import ARCHITECTURES, export_inputs
from zoo import models

__all__ = ["ARCHITECTURES", "export_inputs"]

INPUTS = [["Hi!", "a fine film"], ["dull, really"], [], ["what", "", "a waste 😀"]]


@functools.cache
def tokenizer():
    return models.SubwordTokenizer.train(TEXTS, 300, byte_fallback=True, markers=["<cut>"])


def build(architecture="gru"):
    backbone = models.DialogueBackbone(
        tokenizer().vocabulary_size(), architecture, embedding_dim=8, units=6
    )
    return models.DialogueModel(backbone, models.DialoguePreprocessor(tokenizer()))


def batch(model):
    return model.preprocessor([turns for turns in INPUTS if turns])


def argument(input, folder):
    return json.dumps(input)
