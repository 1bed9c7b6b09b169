"""Subword tokenizer shared by the text models: SentencePiece with pad, unknown, start and end."""

import io
import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import keras
import keras_hub
import numpy as np
import sentencepiece

from zoo._quiet_start import held_back
from zoo.models.protocol import InputError, InputSchema
from zoo.typing import Tensor

# Otherwise it logs a line to standard error for each vocabulary without normalisation.
sentencepiece.set_min_log_level(2)

TEXT = InputSchema("text", "string")
UNKNOWN_ID = 1
UNITS = {"subword": "unigram", "character": "char", "word": "word"}  # SentencePiece's names


class VocabularyError(ValueError):
    """A vocabulary can't be learned; the message says why."""


@keras.saving.register_keras_serializable(package="zoo")
class SubwordTokenizer(keras_hub.tokenizers.SentencePieceTokenizer):
    """Maps text to subword ids and back.

    `<pad>` is 0, `<unk>` 1, `<s>` 2 and `</s>` 3. Ids are int32. If the unit is the word, 1 is
    `<unknown>`, unless the training texts contain the word `<unk>`, which then represents unknown
    words.

    Args:
        proto: bytes of a serialised SentencePiece model, or the path of one.

    Reference:
        Kudo and Richardson 2018, "SentencePiece", https://arxiv.org/abs/1808.06226

    Example:
    ```python
    tokenizer = SubwordTokenizer.train(["a fine film", "a dull film"], vocabulary_size=30)
    token_ids, padding_mask = tokenizer.pack(["a fine film"], end=True)
    ```
    """

    def __init__(self, proto: bytes | str | None = None, **kwargs: Any) -> None:
        self._add_special_token("<pad>", "pad_token")
        self._add_special_token("<s>", "start_token")
        self._add_special_token("</s>", "end_token")
        super().__init__(proto=proto, **kwargs)

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocabulary_size: int,
        *,
        unit: Literal["subword", "character", "word"] = "subword",
        lowercase: bool = False,
        byte_fallback: bool = False,
        keep_whitespace: bool = False,
        markers: Sequence[str] = (),
    ) -> Self:
        """Learns a vocabulary; the same texts always give the same vocabulary.

        Args:
            texts: iterable of str.
            vocabulary_size: int, the maximum number of pieces, special ones included. A small
                corpus may give fewer.
            unit: `"subword"`; `"character"`, each of which is a piece; or `"word"`, text between
                spaces, the most frequent ones.
            lowercase: bool, whether to fold case and compatibility forms (NFKC) first; by
                default text isn't normalised.
            byte_fallback: bool, whether to spell unknown characters as UTF-8 bytes, so any text
                survives a round trip; costs 256 pieces. Only for subwords.
            keep_whitespace: bool, whether decoding returns every space and newline. A newline is
                then a separate piece.
            markers: names of further pieces, such as `"<cut>"`, which no text is encoded to.

        Raises:
            VocabularyError: there is no text, or `vocabulary_size` is too small for its
                characters.
            ValueError: the unit is unknown.
        """
        if unit not in UNITS:
            raise ValueError(f"`unit` must be one of {tuple(UNITS)}. Received: unit={unit!r}")
        options: dict[str, Any] = {}
        if keep_whitespace:
            texts = (line for text in texts for line in text.split("\n"))
            options = {"user_defined_symbols": ["\n"], "max_sentence_length": 1 << 20}
            if unit != "word":  # words are separated by the spaces around them
                options |= {"add_dummy_prefix": False, "remove_extra_whitespaces": False}
        if unit == "word":  # so that <unk> in the texts is a word like any other
            options["unk_piece"] = "<unknown>"
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=UNITS[unit],
                vocab_size=vocabulary_size,
                hard_vocab_limit=False,
                normalization_rule_name="nmt_nfkc_cf" if lowercase else "identity",
                byte_fallback=byte_fallback,
                character_coverage=1.0 if byte_fallback or keep_whitespace else 0.9995,
                control_symbols=list(markers),
                pad_id=0,
                unk_id=1,
                bos_id=2,
                eos_id=3,
                num_threads=1,
                minloglevel=2,
                **options,
            )
        except RuntimeError as error:
            raise VocabularyError(
                "No vocabulary can be learned: there must be text, and `vocabulary_size` must have "
                f"room for its characters and {260 if byte_fallback else 4} further pieces. "
                f"Received: vocabulary_size={vocabulary_size}. SentencePiece says: {error}"
            ) from error
        return cls(proto=model.getvalue())

    def _set_proto_tf(self, proto):
        with held_back():  # the log level of TensorFlow's copy of SentencePiece can't be set
            super()._set_proto_tf(proto)

    def load_assets(self, dir_path: str | os.PathLike[str]) -> None:
        self.set_proto(Path(dir_path, "vocabulary.spm").read_bytes())

    def pack(
        self,
        texts: Sequence[str] | Tensor,
        *,
        start: bool = False,
        end: bool = False,
        min_length: int = 0,
        max_length: int | None = None,
        normalize: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Tokenizes a batch and pads it to its longest text.

        Args:
            texts: list of str, or a string tensor of shape `[batch]`.
            start: bool, whether to begin each text with `<s>`.
            end: bool, whether to close each text with `</s>`.
            min_length: int, pads to at least this many ids.
            max_length: int or None, truncates texts to this many ids, `<s>` and `</s>` included.
            normalize: bool, whether to replace compatibility forms (NFKC) and drop byte-order marks
                first, so that texts that look the same get the same ids.

        Returns:
            `(token_ids, padding_mask)`: int32 and bool, both `[batch, time]`; tensors inside a
            `tf.data` pipeline, NumPy arrays elsewhere.
        """
        if is_symbolic(texts):
            require_strings(texts)
            options: dict[str, Any] = {"min_length": min_length, "max_length": max_length}
            options |= {"start": start, "end": end, "normalize": normalize}
            pack = lambda texts: self.pack(list(texts), **options)
            return in_python(pack, texts, ["int32", "bool"])
        texts = texts_of(texts)
        if normalize:
            texts = [unicodedata.normalize("NFKC", text).replace("\ufeff", "") for text in texts]
        room = None if max_length is None else max_length - start - end
        rows = [
            [self.start_token_id] * start + list(row)[:room] + [self.end_token_id] * end
            for row in self.tokenize(texts)
        ]
        return pad_rows(rows, self.pad_token_id, min_length)


def completed_words(
    text: str, tokenize: Callable[[str], list[int]], unknown_id: int = UNKNOWN_ID
) -> tuple[list[int], str]:
    """Tokenizes the words of a text whose tokens stay the same however the text continues.

    They end before a space, which no piece of a `SubwordTokenizer` spans. Neighbouring unknown
    words become one token, so the last one must be known.

    Args:
        text: str.
        tokenize: function from a str to the list of its token ids.
        unknown_id: int, the token id for unknown text.

    Returns:
        `(token_ids, rest)`: the list of their token ids, and the text after them.
    """
    end = text.rfind(" ")
    while end > 0:
        token_ids = tokenize(text[:end])
        # SentencePiece treats "▁" as a space, and drops those at the end of a text.
        is_cut = text[:end].rstrip(" ").endswith("▁")
        if not is_cut and token_ids[-1:] != [unknown_id]:
            return token_ids, text[end:]
        end = text.rfind(" ", 0, end)
    return [], text


def texts_of(inputs: Any) -> list[str]:
    """Texts as a list of str, given a str, a list of str or bytes, or an array or tensor of
    strings.

    Raises:
        InputError: one isn't a text.
    """
    return TEXT.parse_all([inputs] if isinstance(inputs, (str, bytes)) else inputs)


def require_strings(texts: Tensor) -> None:
    """Raises InputError unless a tensor inside a `tf.data` pipeline is a batch of strings."""
    if texts.dtype != "string":
        raise InputError(f"`text` must be a str. Received a tensor of {texts.dtype.name}.")
    if texts.shape.rank != 1:
        raise InputError(
            "A batch of texts must have the shape [batch]; `dataset.batch` makes batches. "
            f"Received: shape={texts.shape}"
        )


def pad_rows(
    rows: Sequence[Sequence[int]], pad_value: int = 0, min_length: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Pads lists of ids to an int32 array `[batch, time]`; returns it and its bool mask."""
    lengths = np.array([len(row) for row in rows], "int32")
    mask = np.arange(lengths.max(initial=min_length)) < lengths[:, None]
    token_ids = np.full(mask.shape, pad_value, "int32")
    token_ids[mask] = np.concatenate([np.asarray(row, "int32") for row in rows] or [np.empty(0)])
    return token_ids, mask


def is_symbolic(texts: Any) -> bool:
    """Whether texts are a tensor, which may be ragged, inside a `tf.data` pipeline."""
    import tensorflow as tf

    if isinstance(texts, tf.RaggedTensor):
        texts = texts.flat_values
    return tf.is_symbolic_tensor(texts)


def in_python(
    function: Callable[..., Any], texts: Tensor, dtypes: Sequence[str]
) -> tuple[Tensor, ...]:
    """Calls a function inside a `tf.data` pipeline.

    Tokenizing runs in Python there too: seeding Keras drops the resource of tensorflow-text's op.

    Args:
        function: from an array of bytes `[batch]` to arrays `[batch, time]`.
        texts: string tensor `[batch]`.
        dtypes: list of the arrays' dtypes.

    Returns:
        A tuple of tensors.
    """
    import tensorflow as tf

    outputs = tf.numpy_function(function, [texts], [tf.as_dtype(d) for d in dtypes], stateful=False)
    return tuple(tf.ensure_shape(tensor, [texts.shape[0], None]) for tensor in outputs)
