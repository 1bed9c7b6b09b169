"""Base class of a translator and an ensemble of translators: training, decoding and answers."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.ensemble import EnsembleBackbone
from zoo.models.text_input import TextInput
from zoo.models.translator.beam_search import BeamSearchSampler
from zoo.models.translator.sequence_cross_entropy import SequenceCrossEntropy
from zoo.models.translator.translator_backbone import TranslatorBackbone
from zoo.models.translator.translator_preprocessor import TranslatorPreprocessor
from zoo.typing import Tensor


class TranslationTask(TextInput, keras_hub.models.Seq2SeqLM):
    """Text in one language in, its translation out.

    A subclass defines `logits`, `start`, `step` and `attention_scores`. `fit` takes a dict of
    `"encoder_text"` and `"decoder_text"`; `generate` takes a list of str and returns a list of
    str.

    Args:
        backbone: the task's backbone.
        preprocessor: a `TranslatorPreprocessor`, or None to pass padded batches yourself.
        beam_width: int, hypotheses that `generate` keeps; 1 is greedy search.
    """

    task_kind = "translation"
    preprocessor_cls = TranslatorPreprocessor
    generate_function: Callable[..., Any] | None

    def __init__(
        self,
        backbone: TranslatorBackbone | EnsembleBackbone,
        preprocessor: TranslatorPreprocessor | None = None,
        beam_width: int = 5,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.beam_width = beam_width
        super().__init__(inputs=backbone.input, outputs=self.logits(backbone), **kwargs)

    def stream_obstacle(self) -> str | None:
        return (
            "The decoder of a translator attends to all of the source, so it needs the whole text. "
            "Use generate."
        )

    @staticmethod
    def logits(backbone: keras_hub.models.Backbone) -> Tensor:
        """The symbolic logits of a backbone, `[batch, decoder_time, vocabulary_size]`."""
        raise NotImplementedError

    def start(self, inputs: dict[str, Tensor]) -> dict[str, Any]:
        """Encodes a batch of sources.

        Args:
            inputs: dict of `"encoder_token_ids"` and `"encoder_padding_mask"`.

        Returns:
            The cache of the first `step`: a dict of `"states"`, the states of the decoder, and
            `"source"`, a dict of what stays the same at every step.
        """
        raise NotImplementedError

    def step(
        self, token_ids: Tensor, cache: dict[str, Any]
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """One step of the decoder.

        Args:
            token_ids: int32 `[batch]`, the subwords of the previous step.
            cache: dict, see `start`.

        Returns:
            `(logits, hidden_states, cache)`, of the next subwords.
        """
        raise NotImplementedError

    def attention_scores(self, inputs: dict[str, Tensor]) -> Tensor:
        """Attention weights `[batch, decoder_time, encoder_time]` of a preprocessed batch."""
        raise NotImplementedError

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = "auto",
        *,
        weighted_metrics: Any = "auto",
        sampler: str | keras_hub.samplers.Sampler = "auto",
        **kwargs: Any,
    ) -> None:
        """As `keras_hub.models.Seq2SeqLM.compile`.

        The default loss is `SequenceCrossEntropy`, the default sampler a beam search of
        `beam_width`, and the default metric the accuracy of the next subword under teacher
        forcing.
        """
        if loss == "auto":
            loss = SequenceCrossEntropy()
        if weighted_metrics == "auto":
            weighted_metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        super().compile(
            optimizer=optimizer,
            loss=loss,
            weighted_metrics=weighted_metrics,
            sampler=BeamSearchSampler(self.beam_width) if sampler == "auto" else sampler,
            **kwargs,
        )

    def generate(
        self, inputs: Any, max_length: int | None = None, batch_size: int = 64
    ) -> str | list[str]:
        """Translates a str or a list of str.

        Args:
            inputs: str or list of str, of any length; or an array or a tensor of strings, or a
                `tf.data.Dataset` of such batches. Empty texts are allowed.
            max_length: int or None, the maximum number of subwords of a translation, `</s>`
                included. By default it depends on the source's length.
            batch_size: int, texts decoded at once; texts of similar length are batched together.

        Returns:
            A str or a list of str, in the order of `inputs`.
        """
        if isinstance(inputs, str):
            return self.generate([inputs], max_length)[0]
        inputs = self.input_schema.parse_all(inputs)
        order = np.argsort([len(text) for text in inputs], kind="stable")
        outputs = [""] * len(inputs)
        for start in range(0, len(inputs), batch_size):
            chosen = order[start : start + batch_size]
            translations = super().generate([inputs[index] for index in chosen], max_length)
            for index, translation in zip(chosen, translations, strict=True):
                outputs[index] = translation
        return outputs

    def training_inputs(self, x: Any) -> Any:
        """Checks a dict of `"encoder_text"` and `"decoder_text"`; anything else stays as it is."""
        if not isinstance(x, dict):
            return x
        return {name: super(TranslationTask, self).training_inputs(x[name]) for name in x}

    def make_generate_function(self) -> Callable[..., dict[str, Tensor]]:
        if self.generate_function is None and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Shapes differ from batch to batch; one trace serves all of them.
            self.generate_function = tf.function(
                self.generate_step, jit_compile=self.jit_compile, reduce_retracing=True
            )
        return super().make_generate_function()

    def generate_step(
        self, inputs: dict[str, Tensor], stop_token_ids: Sequence[int] | None = None
    ) -> dict[str, Tensor]:
        """Token ids of the translations of one batch of `generate_preprocess`."""
        cache = self.start(inputs)
        cache["source"]["length_limits"] = inputs["length_limits"]
        prompt = inputs["decoder_token_ids"]

        # A translation at its length limit can only end.
        end = self.preprocessor.tokenizer.end_token_id
        last_logits = ops.where(ops.arange(self.output.shape[-1]) == end, 0.0, -1e9)

        def next(prompt, cache, index):
            tokens = ops.take(prompt, index - 1, axis=1)
            logits, hidden, cache = self.step(tokens, cache)
            full = index >= cache["source"]["length_limits"]
            return ops.where(full[:, None], last_logits, logits), hidden, cache

        return {
            "decoder_token_ids": self.sampler(
                next=next,
                prompt=prompt,
                cache=cache,
                index=1,
                stop_token_ids=stop_token_ids,
                model=self,
            )
        }

    def attention(self, source: str, target: str) -> tuple[np.ndarray, list[str], list[str]]:
        """Attention weights of one pair of texts.

        Args:
            source: str.
            target: str, such as a translation by `generate`.

        Returns:
            `(weights, source_tokens, target_tokens)`: float32 `[target, source]`, rows sum to
            one; the subwords of both, each ending with `</s>`.
        """
        x, y, _ = self.preprocessor({"encoder_text": [source], "decoder_text": [target]})
        count = int(x["encoder_padding_mask"][0].sum())
        weights = ops.convert_to_numpy(self.attention_scores(x))[0, :, :count]
        piece = self.preprocessor.tokenizer.id_to_token
        source_tokens = [piece(int(index)) for index in x["encoder_token_ids"][0, :count]]
        return weights, source_tokens, [piece(int(index)) for index in y[0]]

    def answers(self, inputs: Sequence[str]) -> list[dict[str, Any]]:
        """The translation of each text.

        Args:
            inputs: list of str.

        Returns:
            A list of dicts `{"output": str}`, in the order of `inputs`.
        """
        return [{"output": output} for output in self.generate(inputs)]

    def answer_text(self, answer: dict[str, Any]) -> str:
        return " ".join(answer["output"].splitlines())

    def export_obstacle(self, format: str) -> str | None:
        return (
            "A translator can't be exported: its search for the best translation isn't a single "
            "network. Use zoo.load, or serve it with MLflow."
        )

    def gate_inputs(self, input: Any) -> dict[str, Tensor]:
        """The backbone's inputs for one text and the model's own translation of it."""
        texts = {"encoder_text": [input], "decoder_text": self.generate([input])}
        return self.preprocessor(texts)[0]

    def ensemble_options(self) -> dict[str, Any]:
        return {**super().ensemble_options(), "beam_width": self.beam_width}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beam_width": self.beam_width}
