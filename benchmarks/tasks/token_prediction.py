"""What language modelling and dialogue share: the backbone that predicts the next token."""

import numpy as np
import pydantic

from benchmarks.tasks.task import ModelConfig

UNSEEN = 0.1  # the count of a token that doesn't occur


class TokenModelConfig(ModelConfig, frozen=True):
    """The `model` keys of a backbone that predicts the next token."""

    embedding_dim: pydantic.PositiveInt
    units: pydantic.PositiveInt
    num_layers: pydantic.PositiveInt
    dropout: float = pydantic.Field(ge=0, lt=1)
    token_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    recurrent_weight_dropout: float = pydantic.Field(0.0, ge=0, lt=1)
    tied: bool = True


def backbone(cls, config, tokenizer, counts, timescale):
    """Builds a backbone whose output bias starts at the frequencies of the tokens.

    Args:
        cls: `zoo.models.LanguageBackbone` or a subclass.
        config: `RunConfig` whose `model` is a `TokenModelConfig`.
        tokenizer: `SubwordTokenizer`.
        counts: int array `[vocabulary_size]`, how often each token occurs in training.
        timescale: int, see `LanguageBackbone`.
    """
    model = config.model
    built = cls(
        tokenizer.vocabulary_size(),
        config.architecture,
        embedding_dim=model.embedding_dim,
        units=model.units,
        num_layers=model.num_layers,
        dropout=model.dropout,
        token_dropout=model.token_dropout,
        recurrent_weight_dropout=model.recurrent_weight_dropout,
        tied=model.tied,
        timescale=timescale,
    )
    built.output_bias.bias.assign(np.log(np.maximum(counts, UNSEEN) / counts.sum()))
    return built
