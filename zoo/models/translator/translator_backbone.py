"""Translation backbone: a recurrent encoder and a recurrent decoder with attention."""

from typing import Any, Literal

import keras
import keras_hub
from keras import ops

from zoo.layers import architectures
from zoo.models.backbone import Backbone
from zoo.models.pooling import SequencePooling
from zoo.models.recurrent_stack import recurrent_stack
from zoo.typing import DType, Tensor

ATTENTION = ("luong", "bahdanau")


@keras.saving.register_keras_serializable(package="zoo")
class TranslatorBackbone(Backbone):
    """Encoder, decoder and attention over one vocabulary shared by both languages.

    Each state of the decoder starts from its own `tanh(W mean(encoder))`. Attention from the top
    layer scores every source position and takes the weighted mean `c_t` of the encoder's outputs;
    `h~_t = tanh(W [c_t; h_t])` (Luong et al. 2015, equation 5). `c_t` also holds the weighted mean
    of the source's embeddings, so that a word can be translated or copied from the source word
    directly (after Nguyen and Chiang 2018, https://arxiv.org/abs/1710.01329).

    Args:
        vocabulary_size: int, number of subwords.
        architecture: str, a name of `zoo.layers.architectures`. A bidirectional one reads both
            directions in the encoder; the decoder runs forwards.
        embedding_dim: int, width of the embedding and of `h~_t`.
        bidirectional: bool, whether to read both directions in the encoder even if the
            architecture doesn't.
        units: int, units of each recurrent layer and direction.
        num_layers: int, recurrent layers of the encoder and of the decoder.
        attention: `"luong"`, the score `h_t W m_s / sqrt(units)` (Luong et al. 2015,
            https://arxiv.org/abs/1508.04025, "general", scaled as by Vaswani et al. 2017,
            https://arxiv.org/abs/1706.03762, so that attention starts soft), or `"bahdanau"`, the
            score `v tanh(W h_t + U m_s)` (Bahdanau et al. 2015,
            https://arxiv.org/abs/1409.0473).
        dropout: float, dropout rate of embeddings, between layers and of `h~_t`.
        dtype: dtype or dtype policy of the layers.

    Call arguments:
        inputs: dict with `"encoder_token_ids"` and `"decoder_token_ids"`, int32
            `[batch, time]`, and `"encoder_padding_mask"` and `"decoder_padding_mask"`, bool
            `[batch, time]`, False at padding.

    Returns:
        `h~`, a float tensor `[batch, decoder_time, embedding_dim]`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        architecture: str,
        embedding_dim: int = 128,
        units: int = 128,
        num_layers: int = 1,
        attention: Literal["luong", "bahdanau"] = "luong",
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if attention not in ATTENTION:
            raise ValueError(
                f"`attention` must be one of {ATTENTION}. Received: attention={attention!r}"
            )
        layer: dict[str, Any] = {"dtype": dtype}
        token_embedding = keras_hub.layers.ReversibleEmbedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
            name="token_embedding",
            **layer,
        )
        embedding_dropout = keras.layers.Dropout(dropout, name="embedding_dropout", **layer)
        decoder_layers = [
            architectures.get(architecture).layer(
                units,
                return_sequences=True,
                return_state=True,
                name=f"decoder_{index}",
                **layer,
            )
            for index in range(num_layers)
        ]
        bridges = [
            [
                keras.layers.Dense(size, activation="tanh", name=f"bridge_{index}_{part}", **layer)
                for part, size in enumerate(decoder.state_size)
            ]
            for index, decoder in enumerate(decoder_layers)
        ]
        key = keras.layers.Dense(units, use_bias=False, name="attention_key", **layer)
        if attention == "luong":
            query = keras.layers.Rescaling(units**-0.5, name="attention_query", **layer)
            attend = keras.layers.Attention(name="attention", **layer)
        else:
            query = keras.layers.Dense(units, name="attention_query", **layer)
            attend = keras.layers.AdditiveAttention(name="attention", **layer)
        combine = keras.layers.Dense(embedding_dim, activation="tanh", name="combine", **layer)
        output_dropout = keras.layers.Dropout(dropout, name="output_dropout", **layer)

        encoder_token_ids = keras.Input((None,), dtype="int32", name="encoder_token_ids")
        encoder_padding_mask = keras.Input((None,), dtype="bool", name="encoder_padding_mask")
        decoder_token_ids = keras.Input((None,), dtype="int32", name="decoder_token_ids")
        decoder_padding_mask = keras.Input((None,), dtype="bool", name="decoder_padding_mask")

        source = embedding_dropout(token_embedding(encoder_token_ids))
        encoded = recurrent_stack(
            source,
            encoder_padding_mask,
            architecture=architecture,
            bidirectional=bidirectional,
            units=units,
            num_layers=num_layers,
            dropout=dropout,
            name="encoder",
            **layer,
        )
        memory = ops.concatenate([encoded, source], axis=-1)
        keys = key(encoded)
        summary = SequencePooling("mean", name="summary", **layer)(encoded, encoder_padding_mask)
        states = [[bridge(summary) for bridge in row] for row in bridges]

        x = embedding_dropout(token_embedding(decoder_token_ids))
        for decoder, state in zip(decoder_layers, states, strict=True):
            x = decoder(x, mask=decoder_padding_mask, initial_state=state)[0]
        context, scores = attend(
            [query(x), memory, keys],
            mask=[decoder_padding_mask, encoder_padding_mask],
            return_attention_scores=True,
        )
        outputs = output_dropout(combine(ops.concatenate([context, x], axis=-1)))
        super().__init__(
            inputs={
                "encoder_token_ids": encoder_token_ids,
                "encoder_padding_mask": encoder_padding_mask,
                "decoder_token_ids": decoder_token_ids,
                "decoder_padding_mask": decoder_padding_mask,
            },
            outputs=outputs,
            dtype=dtype,
            **kwargs,
        )
        self.token_embedding = token_embedding
        self.decoder_layers = decoder_layers
        self.query = query
        self.attend = attend
        self.combine = combine
        self.encoder = keras.Model(
            {
                "encoder_token_ids": encoder_token_ids,
                "encoder_padding_mask": encoder_padding_mask,
            },
            {"memory": memory, "keys": keys, "states": states},
        )
        self.attention_scores = keras.Model(self.inputs, scores)
        self.vocabulary_size = vocabulary_size
        self.architecture = architecture
        self.bidirectional = bidirectional
        self.embedding_dim = embedding_dim
        self.units = units
        self.num_layers = num_layers
        self.attention = attention
        self.dropout = dropout

    def decode_step(
        self, token_ids: Tensor, cache: dict[str, Any]
    ) -> tuple[Tensor, dict[str, Any]]:
        """One step of the decoder.

        Args:
            token_ids: int32 `[batch]`, the tokens of the previous step.
            cache: dict of `"states"`, of the decoder's layers, and `"source"`, a dict of
                `"memory"`, `"keys"` and `"padding_mask"`.

        Returns:
            `(outputs, cache)`: `h~_t`, float `[batch, embedding_dim]`, and the new cache.
        """
        x = self.token_embedding(token_ids)
        states = []
        for decoder, state in zip(self.decoder_layers, cache["states"], strict=True):
            x, state = decoder.cell(x, state)
            states.append(state)
        source = cache["source"]
        context = self.attend(
            [self.query(x)[:, None], source["memory"], source["keys"]],
            mask=[None, source["padding_mask"]],
        )
        outputs = self.combine(ops.concatenate([context[:, 0], x], axis=-1))
        return outputs, {**cache, "states": states}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "architecture": self.architecture,
            "bidirectional": self.bidirectional,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "attention": self.attention,
            "dropout": self.dropout,
        }
