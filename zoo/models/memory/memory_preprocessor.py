"""Preprocessor of the memory models: sequences of any length in, a padded batch out."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from zoo.models.memory.memory_backbone import MemoryBackbone
from zoo.models.protocol import InputError, InputSchema
from zoo.models.ragged import pad_tensor
from zoo.models.tokenizer import is_symbolic, require_strings
from zoo.typing import Shape

SYMBOLS = InputSchema("symbols", "string")


@keras.saving.register_keras_serializable(package="zoo")
class MemoryPreprocessor(keras_hub.models.Preprocessor):
    """Encodes symbols as one-hot vectors, and pads sequences to the longest of a batch.

    Args:
        alphabet: str, the symbols, one ASCII character each, for sequences of symbols; None for
            sequences of values.
        feature_dim: int, the number of values per step; None for symbols.
        permutation: list of int, the order in which the steps of each sequence are read, for
            sequences of that length; by default in their own order.

    Call arguments:
        x: list of str, or of float arrays `[time, feature_dim]`, of any length; or inside a
            `tf.data` pipeline a tensor of them, which may be ragged.
        y: targets, passed through.
        sample_weight: passed through.

    Returns:
        `x` as a dict of `"sequence"`, float32 `[batch, time, features]`, and `"padding_mask"`,
        bool `[batch, time]`; with `y` and `sample_weight` if given.

    Raises:
        InputError: a sequence is empty, has a symbol outside the alphabet, the wrong shape or
            length, or values that aren't finite.
        ValueError: the arguments aren't as described.
    """

    backbone_cls = MemoryBackbone

    def __init__(
        self,
        alphabet: str | None = None,
        feature_dim: int | None = None,
        permutation: Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        if (alphabet is None) == (feature_dim is None):
            raise ValueError(
                "Give `alphabet` for symbols, or `feature_dim` for values. Received: "
                f"alphabet={alphabet!r}, feature_dim={feature_dim}"
            )
        if alphabet is not None and (not alphabet.isascii() or len(set(alphabet)) < len(alphabet)):
            raise ValueError(
                "The symbols of `alphabet` must be distinct ASCII characters. Received: "
                f"{alphabet!r}"
            )
        if permutation is not None and sorted(permutation) != list(range(len(permutation))):
            raise ValueError(
                "`permutation` must have each index of a step once. Received: "
                f"{len(permutation)} indices, {len(set(permutation))} of them distinct"
            )
        super().__init__(**kwargs)
        self.alphabet = alphabet
        self.feature_dim = feature_dim
        self.permutation = permutation
        if alphabet is not None:
            # The row of each byte is its symbol's one-hot vector; other bytes have none.
            self._vectors = np.zeros((256, len(alphabet)), "float32")
            self._vectors[np.frombuffer(alphabet.encode("ascii"), "uint8")] = np.eye(len(alphabet))

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        if is_symbolic(x):
            x = dict(zip(("sequence", "padding_mask"), self._from_tensor(x), strict=True))
            return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)
        sequences = [self._vectorized(one) for one in x]
        lengths = np.array([len(one) for one in sequences])
        padding_mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
        features = self.feature_dim if self.alphabet is None else len(self.alphabet)
        sequence = np.zeros((*padding_mask.shape, features), "float32")
        if sequences:
            sequence[padding_mask] = np.concatenate(sequences)
        x = {"sequence": sequence, "padding_mask": padding_mask}
        return keras.utils.pack_x_y_sample_weight(x, y, sample_weight)

    def _from_tensor(self, x):
        """The sequence and the mask of a batch inside a `tf.data` pipeline."""
        import tensorflow as tf

        if self.feature_dim is None:
            require_strings(x)
            encode = lambda texts: tuple(self([text.decode() for text in texts]).values())
            sequence, mask = tf.numpy_function(encode, [x], ["float32", "bool"], stateful=False)
            mask = tf.ensure_shape(mask, [x.shape[0], None])
            return tf.ensure_shape(sequence, [x.shape[0], None, len(self.alphabet)]), mask
        values, mask = pad_tensor(x, self.feature_dim)
        if self.permutation is not None:
            message = f"A sequence must have {len(self.permutation)} steps."
            lengths = tf.math.count_nonzero(mask, axis=1)
            tf.debugging.assert_equal(lengths, tf.cast(len(self.permutation), "int64"), message)
            values = tf.gather(values, self.permutation, axis=1)
        return values, mask

    def vectors(self, piece: str | np.ndarray) -> np.ndarray:
        """The vectors of a sequence or a piece of one, which may be empty, float32
        `[time, features]`."""
        return self._symbols(piece) if self.feature_dim is None else self._values(piece)

    def _vectorized(self, one):
        one = self.vectors(one)
        if not len(one):
            raise InputError("A sequence needs at least one step. Received an empty one.")
        if self.permutation is None:
            return one
        if len(one) != len(self.permutation):
            raise InputError(
                f"A sequence must have {len(self.permutation)} steps, which are read in a fixed "
                f"order. Received: {len(one)} steps"
            )
        return one[self.permutation]

    def _symbols(self, text):
        text = SYMBOLS.parse(text)
        if text.isascii():
            vectors = self._vectors[np.frombuffer(text.encode("ascii"), "uint8")]
            if vectors.any(axis=1).all():
                return vectors
        unknown = next(symbol for symbol in text if symbol not in self.alphabet)
        raise InputError(f"Symbols must be among {self.alphabet!r}. Received: {unknown!r}")

    def _values(self, values):
        values = np.asarray(values)
        if not np.issubdtype(values.dtype, np.number):
            raise InputError(f"A sequence must be of floats. Received: dtype={values.dtype}")
        values = values.astype("float32")
        if values.ndim != 2 or values.shape[1] != self.feature_dim:
            raise InputError(
                f"A sequence must have the shape [time, {self.feature_dim}]. Received: "
                f"shape={values.shape}"
            )
        if not np.isfinite(values).all():
            raise InputError("A sequence's values must be finite. Received NaN or infinity.")
        return values

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alphabet": self.alphabet,
            "feature_dim": self.feature_dim,
            "permutation": self.permutation,
        }
