"""Text backbone: an embedding of subwords and recurrent layers."""

from typing import Any

import keras

from zoo.models.recurrent_stack import RecurrentBackbone, recurrent_stack
from zoo.typing import DType, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class TextBackbone(RecurrentBackbone):
    """Embeds subwords and encodes them with recurrent layers.

    Args:
        vocabulary_size: int, number of subwords.
        architecture: str, a name of `zoo.layers.architectures`, such as `"lstm"`.
        embedding_dim: int, width of the embedding.
        bidirectional: bool, whether to read both directions even if the architecture doesn't.
        units: int, units of each recurrent layer and direction.
        num_layers: int, number of recurrent layers.
        dropout: float, dropout rate of the embedding (whole channels) and between layers.
        token_dropout: float, the fraction of subwords whose embedding is zeroed in training.
        dtype: dtype or dtype policy of the layers.

    Call arguments:
        inputs: dict with `"token_ids"`, int32 `[batch, time]`, and `"padding_mask"`, bool
            `[batch, time]`, False at padding.

    Returns:
        A dict of `"sequence"`, float `[batch, time, units]` (twice as wide if both directions are
        read), and `"padding_mask"` as given.
    """

    def __init__(
        self,
        vocabulary_size: int,
        architecture: str,
        embedding_dim: int = 64,
        units: int = 64,
        num_layers: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
        token_dropout: float = 0.0,
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        embedding = keras.layers.Embedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.1),
            dtype=dtype,
            name="token_embedding",
        )
        x = embedding(token_ids)
        x = keras.layers.Dropout(
            token_dropout, noise_shape=(None, None, 1), dtype=dtype, name="token_dropout"
        )(x)
        x = keras.layers.SpatialDropout1D(dropout, dtype=dtype, name="embedding_dropout")(x)
        x = recurrent_stack(
            x,
            padding_mask,
            architecture=architecture,
            bidirectional=bidirectional,
            units=units,
            num_layers=num_layers,
            dropout=dropout,
            dtype=dtype,
            name="encoder",
        )
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": padding_mask},
            outputs={"sequence": x, "padding_mask": padding_mask},
            dtype=dtype,
            **kwargs,
        )
        self.token_embedding = embedding
        self.vocabulary_size = vocabulary_size
        self.architecture = architecture
        self.bidirectional = bidirectional
        self.embedding_dim = embedding_dim
        self.units = units
        self.num_layers = num_layers
        self.dropout = dropout
        self.token_dropout = token_dropout

    def continued(self, token_ids: Tensor, states: list[list[Tensor]]) -> tuple[Tensor, Any]:
        return self.continue_layers(self.token_embedding(token_ids), states)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "architecture": self.architecture,
            "bidirectional": self.bidirectional,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "token_dropout": self.token_dropout,
        }
