"""Language backbone: an embedding, recurrent layers that read forwards, and logits."""

from typing import Any

import keras
import keras_hub
from keras import ops

from zoo.layers import architectures
from zoo.models.backbone import Backbone
from zoo.typing import DType, Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class OutputBias(keras.layers.Layer):
    """Adds a bias to logits `[..., tokens]`, which start at zero."""

    def build(self, input_shape: Shape) -> None:
        self.bias = self.add_weight((input_shape[-1],), initializer="zeros", name="bias")
        self.supports_masking = True

    def call(self, logits: Tensor) -> Tensor:
        return logits + ops.cast(self.bias, logits.dtype)


@keras.saving.register_keras_serializable(package="zoo")
class LanguageBackbone(Backbone):
    """Embeds tokens and reads them forwards with recurrent layers.

    Dropout follows S. Merity, N. Keskar and R. Socher ("Regularizing and Optimizing LSTM Language
    Models", ICLR 2018, https://arxiv.org/abs/1708.02182): the same channels are dropped at every
    step.

    Args:
        vocabulary_size: int, number of tokens.
        architecture: str, the name of a unidirectional architecture of
            `zoo.layers.architectures`, such as `"lstm"`.
        embedding_dim: int, width of the embedding.
        units: int, units of each recurrent layer. If the output layer is tied and the last layer
            isn't `embedding_dim` wide, a linear layer follows it.
        num_layers: int, number of recurrent layers.
        dropout: float, dropout rate of the embedding, between layers and of the output.
        token_dropout: float, the fraction of steps whose embedding is zeroed in training.
        recurrent_weight_dropout: float, the fraction of recurrent weights dropped in training.
        tied: bool, whether the output layer is the transposed embedding (O. Press and L. Wolf
            2017, https://arxiv.org/abs/1608.05859). A model with few tokens, such as characters,
            learns faster untied.
        timescale: int, the longest dependency of the data in steps, for architectures with chrono
            initialization; None if it is unknown.
        dtype: dtype or dtype policy of the layers; the embedding and the logits are float32.

    Call arguments:
        inputs: dict with `"token_ids"`, int32 `[batch, time]`, and `"padding_mask"`, bool
            `[batch, time]`, False at padding.

    Returns:
        A float tensor `[batch, time, output_dim]`, which `logits` maps to logits.

    Raises:
        ValueError: the architecture reads both directions.

    Attributes:
        output_dim: int, width of the output: `embedding_dim` if it is tied, else that of the last
            recurrent layer.
        with_states: a `keras.Model` that takes `"states"` too, as `initial_states` makes them, and
            returns a dict of `"sequence"` and the last `"states"`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        architecture: str,
        embedding_dim: int = 256,
        units: int = 256,
        num_layers: int = 1,
        dropout: float = 0.0,
        token_dropout: float = 0.0,
        recurrent_weight_dropout: float = 0.0,
        tied: bool = True,
        timescale: float | None = None,
        dtype: DType = None,
        **kwargs: Any,
    ) -> None:
        if architectures.get(architecture).bidirectional:
            raise ValueError(
                "A language model predicts the next token, so it can't read backwards. "
                f"Received: architecture={architecture!r}"
            )
        layer: dict[str, Any] = {"dtype": dtype}
        weight_dropout: dict[str, Any] = (
            {"recurrent_weight_dropout": recurrent_weight_dropout}
            if recurrent_weight_dropout
            else {}
        )
        # Vectors have unit length, so that logits start at unit scale, as do the input channels.
        scale = embedding_dim**0.5
        token_embedding = keras_hub.layers.ReversibleEmbedding(
            vocabulary_size,
            embedding_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1 / scale),
            name="token_embedding",
            dtype="float32",  # or the whole table would be rounded at every step
        )
        token_embedding.supports_masking = True  # in reverse, where it has no use
        output_bias = OutputBias(name="output_bias", dtype="float32")
        output_bias.build((None, vocabulary_size))
        drop_tokens = keras.layers.Dropout(
            token_dropout, noise_shape=(None, None, 1), name="token_dropout", **layer
        )
        dropouts = [
            keras.layers.SpatialDropout1D(dropout, name=f"dropout_{index}", **layer)
            for index in range(num_layers + 1)
        ]
        recurrent_layers = [
            architectures.make(
                architecture,
                units,
                return_sequences=True,
                return_state=True,
                timescale=timescale,
                name=f"decoder_{index}",
                **weight_dropout,
                **layer,
            )
            for index in range(num_layers)
        ]
        units_out = recurrent_layers[-1].cell.output_size
        output_dim = embedding_dim if tied else units_out
        project = (
            (lambda x: x)
            if output_dim == units_out
            else keras.layers.Dense(output_dim, name="projection", **layer)
        )
        output_layer: Any = None
        if not tied:
            output_layer = keras.layers.Dense(
                vocabulary_size, use_bias=False, name="output", dtype="float32"
            )
            output_layer.build((None, output_dim))

        def read(token_ids, padding_mask, states):
            x = drop_tokens(scale * token_embedding(token_ids))
            last = []
            for recurrent, drop, state in zip(recurrent_layers, dropouts, states, strict=False):
                initial = {} if state is None else {"initial_state": state}
                x, *state = recurrent(drop(x), mask=padding_mask, **initial)
                last.append(state)
            return dropouts[-1](project(x)), last

        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        padding_mask = keras.Input((None,), dtype="bool", name="padding_mask")
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        outputs, _ = read(token_ids, padding_mask, [None] * num_layers)
        super().__init__(inputs=inputs, outputs=outputs, dtype=dtype, **kwargs)
        states = [
            [
                keras.Input((size,), dtype=recurrent.compute_dtype, name=f"state_{index}_{part}")
                for part, size in enumerate(_sizes(recurrent))
            ]
            for index, recurrent in enumerate(recurrent_layers)
        ]
        sequence, last = read(token_ids, padding_mask, states)
        self.with_states = keras.Model(
            {**inputs, "states": states}, {"sequence": sequence, "states": last}
        )
        self.token_embedding = token_embedding
        self.output_layer = output_layer
        self.output_bias = output_bias
        self.recurrent_layers = recurrent_layers
        self.project = project
        self.vocabulary_size = vocabulary_size
        self.architecture = architecture
        self.embedding_dim = embedding_dim
        self.output_dim = output_dim
        self.units = units
        self.num_layers = num_layers
        self.dropout = dropout
        self.token_dropout = token_dropout
        self.recurrent_weight_dropout = recurrent_weight_dropout
        self.tied = tied
        self.timescale = timescale

    def logits(self, outputs: Tensor) -> Tensor:
        """Logits of the next token, float32 `[..., vocabulary_size]`, from the outputs."""
        if self.tied:
            return self.output_bias(self.token_embedding(outputs, reverse=True))
        return self.output_bias(self.output_layer(outputs))

    @property
    def output_vectors(self) -> Tensor:
        """The weights of the output layer, `[vocabulary_size, output_dim]`, without the bias."""
        if self.tied:
            return ops.convert_to_tensor(self.token_embedding.embeddings)
        return ops.transpose(ops.convert_to_tensor(self.output_layer.kernel))

    def initial_states(self, batch_size: int) -> list[list[Tensor]]:
        """The states before the first token: a list of the states of each layer, all zero."""
        return [layer.cell.get_initial_state(batch_size) for layer in self.recurrent_layers]

    def step(
        self, token_ids: Tensor, states: list[list[Tensor]]
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """Reads one token, outside training.

        Args:
            token_ids: int32 `[batch]`.
            states: as `initial_states` returns them.

        Returns:
            `(outputs, states)`: float `[batch, output_dim]`, and the new states.
        """
        x = self.embedding_dim**0.5 * self.token_embedding(token_ids)
        new = []
        for layer, state in zip(self.recurrent_layers, states, strict=True):
            x, state = layer.cell(x, state)
            new.append(state)
        return self.project(x), new

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "architecture": self.architecture,
            "embedding_dim": self.embedding_dim,
            "units": self.units,
            "num_layers": self.num_layers,
            "dropout": self.dropout,
            "token_dropout": self.token_dropout,
            "recurrent_weight_dropout": self.recurrent_weight_dropout,
            "tied": self.tied,
            "timescale": self.timescale,
        }


def _sizes(layer):
    size = layer.cell.state_size
    return size if isinstance(size, (list, tuple)) else [size]
