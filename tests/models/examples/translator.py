"""A translator."""

from texts import tokenizer

from examples.text_classifier import INPUTS, argument
from zoo import models
from zoo.layers import architectures

__all__ = ["INPUTS", "argument"]

ARCHITECTURES = architectures.names()


def build(architecture="gru"):
    backbone = models.TranslatorBackbone(
        tokenizer().vocabulary_size(), architecture, embedding_dim=8, units=6
    )
    return models.Translator(backbone, models.TranslatorPreprocessor(tokenizer()), beam_width=2)


def batch(model):
    return model.preprocessor({"encoder_text": INPUTS, "decoder_text": INPUTS[::-1]})
