"""Base class of models that continue token sequences: generation, streaming and probabilities."""

import collections
import itertools
import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import keras
import keras_hub
import numpy as np
from keras import ops

from zoo.models.language_model.causal_ensemble_backbone import CausalEnsembleBackbone
from zoo.models.language_model.causal_preprocessor import CausalPreprocessor
from zoo.models.language_model.causal_stream import CausalStream
from zoo.models.language_model.continuation import Continuation
from zoo.models.language_model.language_backbone import LanguageBackbone
from zoo.models.protocol import Sampler
from zoo.models.text_input import TextInput
from zoo.models.tokenizer import pad_rows
from zoo.typing import Tensor

NEW_TOKENS = 128
# Names of samplers and how they differ from KerasHub's defaults: its top_p has p=0.1, which would
# almost always choose the likeliest token.
SAMPLERS = {
    "greedy": {},
    "random": {},
    "top_k": {},
    "top_p": {"p": 0.9},
    "beam": {},
    "contrastive": {},
}
TOKEN_BY_TOKEN = (
    keras_hub.samplers.GreedySampler,
    keras_hub.samplers.RandomSampler,
    keras_hub.samplers.TopKSampler,
    keras_hub.samplers.TopPSampler,
)
LOGITS_AT_ONCE = 1 << 22  # bounds the memory of `score`
STEPS_AT_ONCE = 4096


class CausalTask(TextInput, keras_hub.models.CausalLM):
    """A recurrent network that predicts the next token, with its states as the cache.

    `fit` takes what the preprocessor takes.

    Args:
        backbone: a `LanguageBackbone`.
        preprocessor: the task's preprocessor, or None to pass padded token ids yourself.
    """

    generate_function: Callable[..., Any] | None

    def __init__(
        self,
        backbone: LanguageBackbone | CausalEnsembleBackbone,
        preprocessor: CausalPreprocessor | None = None,
        **kwargs: Any,
    ) -> None:
        self.backbone = backbone
        self.preprocessor = preprocessor
        super().__init__(
            inputs=backbone.input, outputs=backbone.logits(backbone(backbone.input)), **kwargs
        )
        self._scorer = None

    def compile(
        self,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        loss: Any = "auto",
        *,
        weighted_metrics: Any = "auto",
        sampler: Sampler = "top_p",
        **kwargs: Any,
    ) -> None:
        """As `keras_hub.models.CausalLM.compile`.

        Args:
            optimizer, loss: by default Adam and the cross-entropy of the next token.
            weighted_metrics: by default the perplexity per token, `perplexity`.
            sampler: a `keras_hub.samplers.Sampler` or its name, the default of `generate`;
                `"top_p"` means `p=0.9`.
            **kwargs: arguments of `keras_hub.models.CausalLM.compile`.
        """
        self._samplers: dict[Any, keras_hub.samplers.Sampler] = {}
        self._generate_functions: dict[Any, Callable[..., Any]] = {}
        self._default_sampler = sampler
        if weighted_metrics == "auto":
            weighted_metrics = [keras_hub.metrics.Perplexity(from_logits=True)]
        super().compile(
            optimizer=optimizer,
            loss=loss,
            weighted_metrics=weighted_metrics,
            sampler=self._resolve(sampler),
            **kwargs,
        )

    # Generation

    def generate(
        self,
        inputs: Any,
        max_length: int | None = None,
        stop_token_ids: Sequence[int] | Literal["auto"] | None = "auto",
        strip_prompt: bool = False,
        *,
        sampler: Sampler | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
        batch_size: int = 32,
    ) -> str | list[str]:
        """Continues prompts.

        Args:
            inputs: one raw input or a list of them, as the preprocessor takes them; or an array
                or a tensor of them, or a `tf.data.Dataset` of such batches.
            max_length: int, the length of a result in tokens, prompt included; by default the
                prompt and 128 more.
            stop_token_ids: tokens that end a text, None for no such tokens; by default those of the
                preprocessor.
            strip_prompt: bool, whether to return only what was generated.
            sampler: `"greedy"`, `"random"`, `"top_k"`, `"top_p"` (of p=0.9), `"beam"`,
                `"contrastive"`, or a `keras_hub.samplers.Sampler`; by default that of `compile`,
                which is `"top_p"`.
            temperature: positive float, divides the logits; for samplers given by name.
            seed: int, makes the result repeatable; None gives different samples in each call. For
                samplers given by name.
            batch_size: int, prompts continued at once; those of similar length are batched
                together.

        Returns:
            A str or a list of str, in the order of `inputs`.

        Raises:
            ValueError: the sampler is unknown, the temperature isn't positive, or a prompt fills
                `max_length`.
        """
        self._use(sampler, temperature, seed)
        if self.preprocessor is None:
            return super().generate(inputs, max_length, stop_token_ids, strip_prompt)
        check_count("max_length", max_length)
        check_count("batch_size", batch_size)
        if stop_token_ids == "auto":
            stop_token_ids = self.preprocessor.stop_token_ids
        texts, is_single = self._parsed(inputs)
        prompts = self.preprocessor.token_ids(texts)
        prefix = self.preprocessor.prefix_length
        limits = [
            len(prompt) + NEW_TOKENS if max_length is None else max_length + prefix
            for prompt in prompts
        ]
        rows = self._continue(prompts, limits, stop_token_ids, batch_size)
        texts = [self.preprocessor.detokenize(row[prefix:]) for row in rows]
        if strip_prompt:
            texts = [
                text[len(self.preprocessor.detokenize(prompt[prefix:])) :]
                for text, prompt in zip(texts, prompts, strict=True)
            ]
        return texts[0] if is_single else texts

    def _parsed(self, inputs):
        """Raw inputs as a list, and whether there was only one, not in a list.

        Raises:
            InputError: an input isn't of the type that the model takes.
        """
        if isinstance(inputs, (str, list, tuple)):
            is_single = isinstance(inputs, str) or self.preprocessor.is_single(inputs)
            every = [inputs] if is_single else inputs
            return [self.input_schema.parse(one) for one in every], is_single
        return self.input_schema.parse_all(inputs), False

    def _continue(self, prompts, limits, stop_token_ids, batch_size, **inputs):
        """The token ids of each prompt, a list of int, with its continuation.

        Prompts of similar length are batched together, in a search those of equal length: it would
        rank beams by tokens that a longer prompt overwrites.

        Args:
            prompts: list of lists of int.
            limits: list of int, the length of each result.
            stop_token_ids, batch_size: see `generate`.
            **inputs: further inputs of `generate_step`, the same for all prompts.
        """
        lengths = [len(prompt) for prompt in prompts]
        for length, limit in zip(lengths, limits, strict=True):
            if length >= limit:
                prefix = self.preprocessor.prefix_length
                raise ValueError(
                    "`max_length` counts the prompt too, and leaves no room after one of "
                    f"{length - prefix} tokens. Received: max_length={limit - prefix}"
                )
        rows = [None] * len(prompts)
        order = sorted(range(len(prompts)), key=lengths.__getitem__)
        is_search = not isinstance(self.sampler, TOKEN_BY_TOKEN)
        for _, group in itertools.groupby(order, lambda index: is_search and lengths[index]):
            for chosen in _chunks(group, batch_size):
                limit = max(limits[index] for index in chosen)
                results = self._continue_batch(
                    [prompts[index] for index in chosen], limit, stop_token_ids, **inputs
                )
                for index, row in zip(chosen, results, strict=True):
                    rows[index] = row[: limits[index]]
        return rows

    def _continue_batch(self, prompts, limit, stop_token_ids, **inputs):
        longest = max(map(len, prompts))
        token_ids, mask = pad_rows(prompts)
        room = [[0, 0], [0, limit - longest]]
        inputs |= {"token_ids": np.pad(token_ids, room), "padding_mask": np.pad(mask, room)}
        outputs = self.make_generate_function()(
            {name: ops.convert_to_tensor(value) for name, value in inputs.items()},
            stop_token_ids=stop_token_ids,
        )
        lengths = ops.convert_to_numpy(outputs["padding_mask"]).sum(axis=1)
        rows = ops.convert_to_numpy(outputs["token_ids"]).tolist()
        return [row[:length] for row, length in zip(rows, lengths, strict=True)]

    def generate_step(
        self, inputs: dict[str, Tensor], stop_token_ids: Sequence[int] | None = None
    ) -> dict[str, Tensor]:
        """Continues one batch in one compiled loop over the cells.

        Args:
            inputs: dict of `"token_ids"`, int32 `[batch, time]`, prompts and room for their
                continuation, and `"padding_mask"`, bool `[batch, time]`, True at prompts, which
                have at least one token.
            stop_token_ids: tuple of int, or None.

        Returns:
            A dict of `"token_ids"` and `"padding_mask"`, False after a stop token.
        """
        token_ids, mask = inputs["token_ids"], ops.cast(inputs["padding_mask"], "bool")
        first = ops.min(ops.sum(ops.cast(mask, "int32"), axis=1))
        steps = ops.arange(ops.shape(token_ids)[1])
        begun = self.backbone.with_states(
            {
                "token_ids": token_ids,
                "padding_mask": ops.logical_and(mask, steps < first - 1),
                "states": self.backbone.initial_states(ops.shape(token_ids)[0]),
            }
        )
        hidden_states = None
        if isinstance(self.sampler, keras_hub.samplers.ContrastiveSampler):
            hidden_states = self.backbone({"token_ids": token_ids, "padding_mask": mask})
        next, states = self._stepper(inputs, begun["states"])
        token_ids = self.sampler(
            next=next,
            prompt=token_ids,
            cache=states,
            index=first,
            mask=mask,
            stop_token_ids=stop_token_ids,
            hidden_states=hidden_states,
            model=self,
        )
        if stop_token_ids is None:
            return {"token_ids": token_ids, "padding_mask": ops.ones_like(token_ids, "bool")}
        ends = ops.cast(_is_any(token_ids, stop_token_ids, ops.logical_not(mask)), "int32")
        after = ops.cumsum(ends, axis=1) - ends
        return {"token_ids": token_ids, "padding_mask": after == 0}

    def _stepper(self, inputs, states):
        """The function that a sampler calls for the logits of the next token, and the initial
        states.

        Args:
            inputs: see `generate_step`.
            states: the states after the tokens that all prompts have, except the last of these.
        """

        def next(prompt, states, index):
            hidden, states = self.backbone.step(ops.take(prompt, index - 1, axis=1), states)
            return self.backbone.logits(hidden), hidden, states

        return next, states

    def _post_quantize(self, mode, **kwargs):
        super()._post_quantize(mode, **kwargs)
        self._generate_functions.clear()

    def make_generate_function(self) -> Callable[..., dict[str, Tensor]]:
        if self.generate_function is None and keras.backend.backend() == "tensorflow":
            self.generate_function = compiled(self.generate_step)
        return super().make_generate_function()

    def make_continue_function(self) -> Callable[..., Tensor]:
        """The compiled function with which a `Continuation` draws tokens by the current sampler."""
        sampler = self.sampler
        key = "continue", sampler
        if key not in self._generate_functions:
            if not isinstance(self.sampler, TOKEN_BY_TOKEN):
                raise ValueError(
                    "Text can be streamed if the sampler chooses one token at a time. "
                    f"Received: {type(self.sampler).__name__}. Use generate."
                )

            def draw(token_ids, mask, states, stop_token_ids):
                next, states = self._stepper({}, states)
                return sampler(
                    next=next,
                    prompt=token_ids,
                    cache=states,
                    index=1,
                    mask=mask,
                    stop_token_ids=stop_token_ids,
                    model=self,
                )

            is_tensorflow = keras.backend.backend() == "tensorflow"
            self._generate_functions[key] = compiled(draw) if is_tensorflow else draw
        return self._generate_functions[key]

    def stream(
        self,
        input: Any,
        max_length: int | None = None,
        sampler: Sampler | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
    ) -> Iterator[str]:
        """Continues one prompt and yields its text piece by piece as it is generated.

        Args:
            input, sampler, temperature, seed: as in `generate`, except that the sampler must choose
                one token at a time, so `"beam"` and `"contrastive"` aren't allowed.
            max_length: int, tokens to generate; by default 128.

        Returns:
            An iterator over str, the pieces of the continuation.

        Raises:
            ValueError: the sampler isn't allowed, or an argument isn't positive.
        """
        self._use(sampler, temperature, seed)
        check_count("max_length", max_length)
        text = Continuation(self)
        prompt = self.preprocessor.token_ids([self.input_schema.parse(input)])[0]
        text.read(prompt)
        before = prompt[self.preprocessor.prefix_length :][-1:]
        return text.pieces(NEW_TOKENS if max_length is None else max_length, before)

    def _use(self, sampler, temperature, seed):
        """Sets the sampler of the next call; each keeps its compiled function."""
        if not isinstance(temperature, numbers.Real) or not temperature > 0:
            raise ValueError(f"`temperature` must be positive. Received: {temperature!r}")
        if seed is not None and (not isinstance(seed, numbers.Integral) or seed < 0):
            raise ValueError(f"`seed` must be an int of at least 0, or None. Received: {seed!r}")
        sampler = self._default_sampler if sampler is None else sampler
        chosen = self._resolve(sampler, temperature)
        if chosen is not self.sampler:
            self._generate_functions[self.sampler] = self.generate_function
            self.sampler = chosen
            self.generate_function = self._generate_functions.get(chosen)
        for generator in chosen._seed_generators if isinstance(sampler, str) else ():
            drawn = np.random.default_rng(seed).integers(1 << 31)
            generator.state.assign(np.array([drawn, 0], "uint32"))

    def _resolve(self, sampler, temperature=1.0):
        if isinstance(sampler, keras_hub.samplers.Sampler):
            return sampler
        key = sampler, temperature
        if key not in self._samplers:
            if sampler not in SAMPLERS:
                raise ValueError(
                    f"`sampler` must be one of {', '.join(SAMPLERS)}, or a "
                    f"keras_hub.samplers.Sampler. Received: sampler={sampler!r}"
                )
            options = {**SAMPLERS[sampler], "temperature": temperature}
            default = keras_hub.samplers.get(sampler)
            self._samplers[key] = type(default).from_config({**default.get_config(), **options})
        return self._samplers[key]

    # Probabilities

    def score(self, inputs: Any, batch_size: int = 32) -> np.ndarray | list[np.ndarray]:
        """Log-probabilities of the tokens of texts, each given those before it.

        Args:
            inputs: raw input or a list of them.
            batch_size: int; texts of similar length are batched together.

        Returns:
            A list of float32 arrays `[tokens]`, natural logarithms; one array for a single input.
        """
        parsed, is_single = self._parsed(inputs)
        rows = self.preprocessor.token_ids(parsed)
        scores = self.score_token_ids(rows, batch_size)
        return scores[0] if is_single else scores

    def perplexity(self, inputs: Any, batch_size: int = 32) -> float | np.ndarray:
        """Perplexity per token: the exponential of the mean negative log-probability.

        Args:
            inputs, batch_size: see `score`.

        Returns:
            float32 array `[texts]`; a float for a single input. NaN for a text without tokens.
        """
        scores = self.score(inputs, batch_size)
        if isinstance(scores, np.ndarray):
            return _perplexity(scores)
        return np.array([_perplexity(row) for row in scores], "float32")

    def score_token_ids(
        self, rows: Sequence[Sequence[int]], batch_size: int = 32
    ) -> list[np.ndarray]:
        """Log-probabilities of token ids.

        Args:
            rows: list of sequences of int, of at least one token. The first of each is read but not
                scored.
            batch_size: int.

        Returns:
            A list of float32 arrays `[tokens - 1]`, natural logarithms, in the order of `rows`.
        """
        order = np.argsort([len(row) for row in rows], kind="stable")[::-1]
        scores: list[Any] = [None] * len(rows)
        for start in range(0, len(rows), batch_size):
            chosen = order[start : start + batch_size]
            batch = [np.asarray(rows[index], "int32") for index in chosen]
            for index, row in zip(chosen, self._score_batch(batch), strict=True):
                scores[index] = row
        return scores

    def outputs_of(self, token_ids: Sequence[int]) -> np.ndarray:
        """The backbone's outputs, from which each token but the first is predicted.

        Args:
            token_ids: sequence of int.

        Returns:
            float array `[tokens - 1, output_dim]`.
        """
        token_ids = np.asarray(token_ids, "int32")[None, :-1]
        states, parts = self._zero_states(1), []
        for start in range(0, token_ids.shape[1], STEPS_AT_ONCE):
            piece = token_ids[:, start : start + STEPS_AT_ONCE]
            inputs = {
                "token_ids": piece,
                "padding_mask": np.ones(piece.shape, "bool"),
                "states": states,
            }
            outputs = self.backbone.with_states.predict_on_batch(inputs)
            parts.append(outputs["sequence"][0])
            states = outputs["states"]
        return np.concatenate(parts)

    def _score_batch(self, rows):
        """Scores rows piece by piece, with the states kept, so that memory is bounded."""
        token_ids, mask = pad_rows([row[:-1] for row in rows])
        targets, _ = pad_rows([row[1:] for row in rows])
        states = self._zero_states(len(rows))
        size = max(1, LOGITS_AT_ONCE // (len(rows) * self.backbone.vocabulary_size))
        parts = [np.zeros((len(rows), 0), "float32")]
        for start in range(0, token_ids.shape[1], size):
            piece = slice(start, start + size)
            inputs = {
                "token_ids": token_ids[:, piece],
                "padding_mask": mask[:, piece],
                "targets": targets[:, piece],
                "states": states,
            }
            outputs = self._scoring_network().predict_on_batch(inputs)
            parts.append(outputs["scores"])
            states = outputs["states"]
        scores = np.concatenate(parts, axis=1)
        return [row[: len(ids) - 1] for row, ids in zip(scores, rows, strict=True)]

    def _scoring_network(self):
        if self._scorer is None:
            reader = self.backbone.with_states
            outputs = reader(reader.input)
            targets = keras.Input((None,), dtype="int32", name="targets")
            scores = self._scores(outputs["sequence"], targets)
            network = keras.Model(
                {**reader.input, "targets": targets},
                {"scores": scores, "states": outputs["states"]},
            )
            self._scorer = collections.UserList([network])  # hidden from Keras' saving
        return self._scorer[0]

    def _scores(self, sequence, targets):
        """Log-probabilities `[batch, time]` of token ids, from the outputs before each."""
        logits = ops.cast(self.backbone.logits(sequence), "float32")
        right = ops.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
        return right - ops.logsumexp(logits, axis=-1)

    def _zero_states(self, batch_size):
        return keras.tree.map_structure(
            ops.convert_to_numpy, self.backbone.initial_states(batch_size)
        )

    # The protocol of task models

    def stream_obstacle(self) -> str | None:
        """None: every model reads forwards."""

    def open_stream(self) -> CausalStream:
        return CausalStream(self)

    def continued(self, piece: tuple[Tensor, Tensor], states: Any) -> tuple[Tensor, Any]:
        """Reads a piece of a text, outside training.

        Args:
            piece: tuple of token ids and of those that follow each, int32 `[batch, time]`.
            states: as the backbone's `initial_states` returns them.

        Returns:
            `(scores, states)`: the log-probabilities of the tokens that follow, float32
            `[batch, time]`, and the states after the piece.
        """
        token_ids, targets = piece
        mask = ops.ones_like(token_ids, "bool")
        outputs = self.backbone.with_states(
            {"token_ids": token_ids, "padding_mask": mask, "states": states}
        )
        return self._scores(outputs["sequence"], targets), outputs["states"]

    def answers(self, inputs: Sequence[Any]) -> list[dict[str, Any]]:
        """Each prompt with its continuation, drawn with a fixed seed, so that it is repeatable.

        Args:
            inputs: list of raw inputs.

        Returns:
            A list of dicts `{"output": str}`, in the order of `inputs`.
        """
        return [
            {"output": self.generate([one], seed=0)[0]}
            for one in self.input_schema.parse_all(inputs)
        ]

    def answer_text(self, answer: dict[str, Any]) -> str:
        return " ".join(answer["output"].splitlines())

    def gate_inputs(self, input: Any) -> dict[str, Tensor]:
        token_ids, padding_mask = pad_rows(self.preprocessor.token_ids([input]))
        return {"token_ids": token_ids, "padding_mask": padding_mask}

    def export_network(self) -> keras.Model:
        """One step: a token and the states before it in, logits and the states after it out."""
        token_ids = keras.Input((), dtype="int32", name="token_ids")
        states = self.backbone.with_states.input["states"]
        logits, after = _OneStep(self.backbone)(token_ids, states)
        named = {
            f"next_{before.name}": state
            for before, state in zip(
                keras.tree.flatten(states), keras.tree.flatten(after), strict=True
            )
        }
        return keras.Model(
            {"token_ids": token_ids, **{one.name: one for one in keras.tree.flatten(states)}},
            {"logits": logits, **named},
        )


class _OneStep(keras.layers.Layer):
    """Reads one token; one layer, since cells of several layers may share a name."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.built = True

    def call(self, token_ids, states):
        hidden, states = self.backbone.step(token_ids, states)
        return self.backbone.logits(hidden), states


def _chunks(items, size):
    """Lists of up to `size` items; `itertools.batched` came with Python 3.12."""
    items = list(items)
    return [items[start : start + size] for start in range(0, len(items), size)]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A `tf.function` with one trace for all lengths."""
    import tensorflow as tf

    return tf.function(function, autograph=False, jit_compile=False, reduce_retracing=True)


def check_count(name: str, count: Any) -> None:
    """Raises ValueError unless a count is None or an int of at least 1."""
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, numbers.Integral) or count < 1:
        raise ValueError(f"`{name}` must be at least 1, an int. Received: {name}={count!r}")


def _is_any(token_ids, wanted, where):
    found = ops.zeros_like(where)
    for token in wanted:
        found = ops.logical_or(found, token_ids == token)
    return ops.logical_and(found, where)


def _perplexity(scores):
    return float(np.exp(-np.mean(scores, dtype="float64"))) if len(scores) else float("nan")
