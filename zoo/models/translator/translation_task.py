"""Base class of a translator and an ensemble of translators: training, decoding and answers."""

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.text_input import TextInput
from zoo.models.translator.beam_search import BeamSearchSampler
from zoo.models.translator.sequence_cross_entropy import SequenceCrossEntropy
from zoo.models.translator.translator_preprocessor import TranslatorPreprocessor


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

    def __init__(self, backbone, preprocessor=None, beam_width=5, **kwargs):
        self.backbone = backbone
        self.preprocessor = preprocessor
        self.beam_width = beam_width
        super().__init__(inputs=backbone.input, outputs=self.logits(backbone), **kwargs)

    def stream_obstacle(self):
        return (
            "The decoder of a translator attends to all of the source, so it needs all of it. Use "
            "generate."
        )

    @staticmethod
    def logits(backbone):
        """The symbolic logits of a backbone, `[batch, decoder_time, vocabulary_size]`."""
        raise NotImplementedError

    def start(self, inputs):
        """Encodes a batch of sources.

        Args:
            inputs: dict of `"encoder_token_ids"` and `"encoder_padding_mask"`.

        Returns:
            The cache of the first `step`: a dict of `"states"`, the states of the decoder, and
            `"source"`, a dict of what stays the same at every step.
        """
        raise NotImplementedError

    def step(self, token_ids, cache):
        """One step of the decoder.

        Args:
            token_ids: int32 `[batch]`, the subwords of the previous step.
            cache: dict, see `start`.

        Returns:
            `(logits, hidden_states, cache)`, of the next subwords.
        """
        raise NotImplementedError

    def attention_scores(self, inputs):
        """Attention weights `[batch, decoder_time, encoder_time]` of a preprocessed batch."""
        raise NotImplementedError

    def compile(
        self, optimizer="adam", loss="auto", *, weighted_metrics="auto", sampler="auto", **kwargs
    ):
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

    def generate(self, inputs, max_length=None, batch_size=64):
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

    def training_inputs(self, x):
        """Checks a dict of `"encoder_text"` and `"decoder_text"`; anything else stays as it is."""
        if not isinstance(x, dict):
            return x
        return {name: super(TranslationTask, self).training_inputs(x[name]) for name in x}

    def make_generate_function(self):
        if self.generate_function is None and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Shapes differ from batch to batch; one trace serves all of them.
            self.generate_function = tf.function(
                self.generate_step, jit_compile=self.jit_compile, reduce_retracing=True
            )
        return super().make_generate_function()

    def generate_step(self, inputs, stop_token_ids=None):
        """Token ids of the translations of one batch of `generate_preprocess`."""
        cache = self.start(inputs)
        cache["source"]["length_limits"] = inputs["length_limits"]
        prompt = inputs["decoder_token_ids"]

        # A translation that has reached its limit can only end.
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

    def attention(self, source, target):
        """Attention weights of one pair of texts.

        Args:
            source: str.
            target: str, such as a translation by `generate`.

        Returns:
            `(weights, source_tokens, target_tokens)`: float32 `[target, source]`, rows sum to
            one; the subwords of both, each closed with `</s>`.
        """
        x, y, _ = self.preprocessor({"encoder_text": [source], "decoder_text": [target]})
        count = int(x["encoder_padding_mask"][0].sum())
        weights = ops.convert_to_numpy(self.attention_scores(x))[0, :, :count]
        piece = self.preprocessor.tokenizer.id_to_token
        source_tokens = [piece(int(index)) for index in x["encoder_token_ids"][0, :count]]
        return weights, source_tokens, [piece(int(index)) for index in y[0]]

    def answers(self, inputs):
        """The translation of each text.

        Args:
            inputs: list of str.

        Returns:
            A list of dicts `{"output": str}`, in the order of `inputs`.
        """
        return [{"output": output} for output in self.generate(inputs)]

    def answer_text(self, answer):
        return " ".join(answer["output"].splitlines())

    def export_obstacle(self, format):
        return (
            "A translator can't be exported: its search for the best translation isn't one "
            "network. Use zoo.load, or serve it with MLflow."
        )

    def gate_inputs(self, input):
        """The backbone's inputs for one text and the model's own translation of it."""
        texts = {"encoder_text": [input], "decoder_text": self.generate([input])}
        return self.preprocessor(texts)[0]

    def ensemble_options(self):
        return {**super().ensemble_options(), "beam_width": self.beam_width}

    def get_config(self):
        return {**super().get_config(), "beam_width": self.beam_width}
