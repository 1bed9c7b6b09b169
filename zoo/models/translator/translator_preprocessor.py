"""Preprocessor of the translator: pairs of text in, teacher-forced token ids out."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_hub
import numpy as np

from zoo.models.tokenizer import SubwordTokenizer
from zoo.models.translator.translator_backbone import TranslatorBackbone
from zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="zoo")
class TranslatorPreprocessor(keras_hub.models.Seq2SeqLMPreprocessor):
    """Tokenizes source and target and pads each to the longest of the batch.

    The source is normalised (NFKC, without byte-order marks) and ends with `</s>`, so an empty
    text is a sequence of one step; a batch has at least two. The decoder reads
    `<s> y_1 ... y_n`, and its targets are `y_1 ... y_n </s>` (teacher forcing).

    Args:
        tokenizer: a `SubwordTokenizer` of both languages.
        sequence_length: int, longer texts are truncated to this many subwords.

    Call arguments:
        x: dict of `"encoder_text"` and `"decoder_text"`: lists of str or string tensors.

    Returns:
        `(x, y, sample_weight)`: the backbone's inputs, int32 targets `[batch, time]` and bool
        weights `[batch, time]`, False at padding.
    """

    backbone_cls = TranslatorBackbone
    tokenizer_cls = SubwordTokenizer

    def __init__(
        self, tokenizer: SubwordTokenizer, sequence_length: int = 512, **kwargs: Any
    ) -> None:
        keras_hub.models.Preprocessor.__init__(self, **kwargs)
        self.tokenizer = tokenizer
        self.max_length = sequence_length

    def build(self, input_shape: Shape) -> None:
        self.built = True

    def call(
        self, x: dict[str, Sequence[str] | Tensor], y: Any = None, sample_weight: Any = None
    ) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        source = self._source(x["encoder_text"])
        target_ids, target_mask = self.tokenizer.pack(
            x["decoder_text"], start=True, end=True, max_length=self.max_length + 1
        )
        x = {
            **source,
            "decoder_token_ids": target_ids[:, :-1],
            "decoder_padding_mask": target_mask[:, 1:],
        }
        return keras.utils.pack_x_y_sample_weight(x, target_ids[:, 1:], target_mask[:, 1:])

    def generate_preprocess(
        self, x: Sequence[str], sequence_length: int | None = None
    ) -> dict[str, np.ndarray]:
        """Source texts as the encoder's inputs, and room for their translations.

        Args:
            x: list of str.
            sequence_length: int or None, the maximum number of subwords of a translation. By
                default 1.5 times that of its source, plus 5, so that a translation that repeats
                itself ends.
        """
        x = self._source(x)
        if sequence_length is None:
            limits = np.ceil(1.5 * x["encoder_padding_mask"].sum(axis=1)).astype("int32") + 5
        else:
            limits = np.full(len(x["encoder_token_ids"]), sequence_length, "int32")
        prompt, _ = self.tokenizer.pack([""] * len(limits), start=True)
        room = limits.max(initial=1)
        return {
            **x,
            "decoder_token_ids": np.pad(prompt, [[0, 0], [0, room]]),
            "length_limits": limits,
        }

    def generate_postprocess(self, x: dict[str, Tensor]) -> list[str]:
        """Detokenizes token ids `[batch, time]` up to `</s>`; returns a list of str."""
        rows = keras.ops.convert_to_numpy(x["decoder_token_ids"]).tolist()
        end = self.tokenizer.end_token_id
        special = {self.tokenizer.pad_token_id, self.tokenizer.start_token_id}
        cut = [row[: row.index(end)] if end in row else row for row in rows]
        return list(
            self.tokenizer.detokenize([[i for i in row if i not in special] for row in cut])
        )

    def _source(self, texts):
        # Keras warns about attention over a single step.
        token_ids, padding_mask = self.tokenizer.pack(
            texts, end=True, min_length=2, max_length=self.max_length, normalize=True
        )
        return {"encoder_token_ids": token_ids, "encoder_padding_mask": padding_mask}

    @property
    def sequence_length(self) -> int:
        """The maximum number of subwords of a source or a translation, `</s>` included."""
        return self.max_length

    def get_config(self) -> dict[str, Any]:
        config = keras_hub.models.Preprocessor.get_config(self)
        return {**config, "sequence_length": self.max_length}
