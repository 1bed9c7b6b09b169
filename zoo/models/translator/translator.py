"""Task: text in one language in, its translation out."""

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.translator.beam_search import BeamSearchSampler
from zoo.models.translator.sequence_cross_entropy import SequenceCrossEntropy
from zoo.models.translator.translator_backbone import TranslatorBackbone
from zoo.models.translator.translator_preprocessor import TranslatorPreprocessor


@keras.saving.register_keras_serializable(package="zoo")
class Translator(keras_hub.models.Seq2SeqLM):
    """Translates with a recurrent encoder, attention and a recurrent decoder.

    The output layer is the embedding, transposed (Press and Wolf 2017,
    https://arxiv.org/abs/1608.05859). `fit` takes a dict of `"encoder_text"` and
    `"decoder_text"`; `generate` takes a list of str and gives a list of str.

    Args:
        backbone: a `TranslatorBackbone`.
        preprocessor: a `TranslatorPreprocessor`.
        beam_width: int, hypotheses that `generate` keeps; 1 is greedy.

    Example:
    ```python
    model = zoo.models.Translator.from_preset(folder)
    model.generate(["Turn on the light"])
    model.compile(sampler="top_k")  # instead of beam search
    ```
    """

    backbone_cls = TranslatorBackbone
    preprocessor_cls = TranslatorPreprocessor

    def __init__(self, backbone, preprocessor=None, beam_width=5, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.beam_width = beam_width
        super().__init__(inputs=backbone.input, outputs=self._logits(backbone), **kwargs)

    @staticmethod
    def _logits(backbone):
        return backbone.token_embedding(backbone(backbone.input), reverse=True)

    def compile(
        self, optimizer="adam", loss="auto", *, weighted_metrics="auto", sampler="auto", **kwargs
    ):
        """As `keras_hub.models.Seq2SeqLM.compile`; by default the loss is
        `SequenceCrossEntropy`, the sampler beam search of `beam_width`, and the metric the
        accuracy of the next subword, the right ones before it given."""
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

    def generate(self, inputs, max_length=None, batch_size=64):
        """Translates a str or a list of str.

        Args:
            inputs: str or list of str, of any length, empty ones included.
            max_length: int or None, the most subwords of an answer, `</s>` included. By default it
                follows the source's length.
            batch_size: int, texts decoded at once; texts of like length are put together.

        Returns:
            A str or a list of str, in the order of `inputs`.
        """
        if isinstance(inputs, str):
            return self.generate([inputs], max_length)[0]
        order = np.argsort([len(text) for text in inputs], kind="stable")
        outputs = [""] * len(inputs)
        for start in range(0, len(inputs), batch_size):
            chosen = order[start : start + batch_size]
            answers = super().generate([inputs[index] for index in chosen], max_length)
            for index, answer in zip(chosen, answers, strict=True):
                outputs[index] = answer
        return outputs

    def make_generate_function(self):
        if self.generate_function is None and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Shapes differ from batch to batch; one trace is to serve them all.
            self.generate_function = tf.function(
                self.generate_step, jit_compile=self.jit_compile, reduce_retracing=True
            )
        return super().make_generate_function()

    def generate_step(self, inputs, stop_token_ids=None):
        """Token ids of the answers of one batch of `generate_preprocess`."""
        cache = self._start(inputs)
        cache["source"]["length_limits"] = inputs["length_limits"]
        prompt = inputs["decoder_token_ids"]

        # An answer that has reached its limit can only end.
        end = self.preprocessor.tokenizer.end_token_id
        last_logits = ops.where(ops.arange(self.output.shape[-1]) == end, 0.0, -1e9)

        def next(prompt, cache, index):
            tokens = ops.take(prompt, index - 1, axis=1)
            logits, hidden, cache = self._step(tokens, cache)
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

    def _start(self, inputs):
        """The cache of the first step: what the encoder says of a batch's sources."""
        encoded = self.backbone.encoder(
            {key: inputs[key] for key in ("encoder_token_ids", "encoder_padding_mask")}
        )
        source = {**encoded, "padding_mask": inputs["encoder_padding_mask"]}
        return {"states": source.pop("states"), "source": source}

    def _step(self, token_ids, cache):
        """Logits and hidden states of the next subwords, and their cache."""
        hidden, cache = self.backbone.decode_step(token_ids, cache)
        return self.backbone.token_embedding(hidden, reverse=True), hidden, cache

    def get_config(self):
        return {**super().get_config(), "beam_width": self.beam_width}

    def attention(self, source, target):
        """Attention weights of one pair of texts.

        Args:
            source: str.
            target: str, such as an answer of `generate`.

        Returns:
            `(weights, source_tokens, target_tokens)`: float32 `[target, source]`, rows sum to
            one; the subwords of both, each closed with `</s>`.
        """
        x, y, _ = self.preprocessor({"encoder_text": [source], "decoder_text": [target]})
        weights = ops.convert_to_numpy(self._attention_scores(x))[0]
        piece = self.preprocessor.tokenizer.id_to_token
        source_tokens = [piece(int(index)) for index in x["encoder_token_ids"][0]]
        return weights, source_tokens, [piece(int(index)) for index in y[0]]

    def _attention_scores(self, inputs):
        return self.backbone.attention_scores(inputs)
