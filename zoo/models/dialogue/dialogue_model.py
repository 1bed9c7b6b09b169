"""Task: a conversation in, the reply out."""

import json
import math
import numbers
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from zoo.models.dialogue.dialogue_backbone import DialogueBackbone
from zoo.models.dialogue.dialogue_preprocessor import DialoguePreprocessor
from zoo.models.dialogue.turn_stream import TurnStream
from zoo.models.eager_preprocessing import EagerPreprocessing
from zoo.models.language_model.causal_task import (
    TOKEN_BY_TOKEN,
    CausalTask,
    check_count,
)
from zoo.models.language_model.continuation import Continuation
from zoo.models.protocol import InputError, InputSchema, Sampler, register

REPLY_TOKENS = 64
LEAST_LIKELY = math.log(0.1)  # of the tokens to choose from, relative to the likeliest


@register
class DialogueModel(EagerPreprocessing, CausalTask):
    """A recurrent language model of conversations, with markers between turns.

    Its states hold the conversation so far, so the cost of a further turn depends on its own
    length, not on the conversation's. `fit` takes a list of conversations. Arguments as in
    `CausalTask`, with a `DialogueBackbone` and a `DialoguePreprocessor`.

    Example:
    ```python
    model = zoo.models.DialogueModel.from_preset(folder)
    model.generate([["Hi, how are you?", "Fine. And you?"]])
    conversation = model.conversation()
    conversation.reply("Hi, how are you?")
    ```
    """

    task_kind = "dialogue"
    backbone_cls = DialogueBackbone
    preprocessor_cls = DialoguePreprocessor

    def generate(
        self,
        inputs: Any,
        max_length: int | None = None,
        sampler: Sampler | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
        batch_size: int = 32,
        likelihood_penalty: float = 0.0,
    ) -> str | list[str]:
        """The reply to each conversation.

        With a penalty, each token is chosen by `log p(token | conversation) - likelihood_penalty *
        log p(token | no conversation)`, among those with at least a tenth of the largest
        probability, so that replies that suit every conversation are rare.

        Args:
            inputs: a conversation, a list of str, or a list of conversations; or an array or a
                tensor of them, or a `tf.data.Dataset` of such batches. To an empty one, as in
                `[[]]`, the reply is an opening.
            max_length: int, the most tokens of a reply; by default 64.
            sampler, temperature, seed, batch_size: see `CausalTask.generate`.
            likelihood_penalty: float of at least 0; a usual value is 0.5. It needs a sampler that
                chooses one token at a time, so not `"beam"` or `"contrastive"`.

        Returns:
            A str or a list of str, in the order of `inputs`.

        Raises:
            ValueError: as in `CausalTask.generate`, or the penalty is negative or isn't supported
                by the sampler.

        Reference:
            J. Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation
            Models", https://arxiv.org/abs/1510.03055; the choice among likely tokens is that of
            X. L. Li et al. 2023, "Contrastive Decoding", https://arxiv.org/abs/2210.15097
        """
        check_count("max_length", max_length)
        self._use(sampler, temperature, seed)
        penalty = self._checked_penalty(likelihood_penalty)
        conversations, is_single = self._parsed(inputs)
        prompts = self.preprocessor.token_ids(conversations)
        limits = [len(prompt) + (max_length or REPLY_TOKENS) for prompt in prompts]
        further = {"likelihood_penalty": penalty} if penalty else {}
        rows = self._continue(
            prompts, limits, self.preprocessor.stop_token_ids, batch_size, **further
        )
        replies = [
            self.preprocessor.detokenize(row[len(prompt) :]).strip()
            for row, prompt in zip(rows, prompts, strict=True)
        ]
        return replies[0] if is_single else replies

    def _checked_penalty(self, penalty):
        if isinstance(penalty, bool) or not isinstance(penalty, numbers.Real) or not penalty >= 0:
            raise ValueError(f"`likelihood_penalty` must be at least 0. Received: {penalty!r}")
        if penalty and not isinstance(self.sampler, TOKEN_BY_TOKEN):
            raise ValueError(
                "`likelihood_penalty` needs a sampler that chooses one token at a time. "
                f"Received: {type(self.sampler).__name__}"
            )
        return np.float32(penalty)

    def _stepper(self, inputs, states):
        next, states = super()._stepper(inputs, states)
        if "likelihood_penalty" not in inputs:
            return next, states
        lengths = ops.sum(ops.cast(inputs["padding_mask"], "int32"), axis=1)
        alone = self.backbone.initial_states(ops.shape(lengths)[0])

        def penalized(prompt, states, index):
            """Also steps a second reader, for which each reply follows `<cut>`."""
            states, alone = states
            logits, hidden, states = next(prompt, states, index)
            begins = ops.equal(lengths, index)
            token_ids = ops.take(prompt, index - 1, axis=1)
            token_ids = ops.where(begins, self.preprocessor.cut_id, token_ids)
            alone = keras.tree.map_structure(
                lambda state: ops.where(begins[:, None], ops.zeros_like(state), state), alone
            )
            hidden_alone, alone = self.backbone.step(token_ids, alone)
            scores = ops.log_softmax(logits)
            is_likely = scores >= ops.max(scores, axis=-1, keepdims=True) + LEAST_LIKELY
            penalty = ops.log_softmax(self.backbone.logits(hidden_alone))
            scores = scores - inputs["likelihood_penalty"] * penalty
            return ops.where(is_likely, scores, -1e9), hidden, (states, alone)

        return penalized, (states, alone)

    def _preprocessed(self, x, y=None, sample_weight=None):
        return self.preprocessor(self.input_schema.parse_all(x))

    def conversation(
        self, sampler: Sampler | None = None, temperature: float = 1.0, seed: int | None = None
    ) -> "Conversation":
        """A `Conversation` with this model; arguments as in `generate`."""
        self._use(sampler, temperature, seed)
        self.make_continue_function()
        return Conversation(self)

    def open_stream(self) -> TurnStream:
        return TurnStream(self)

    @property
    def input_schema(self) -> InputSchema:
        return InputSchema("turns", "string", rank=1)

    def read_input(self, argument: str) -> list[str]:
        """Reads a conversation: a JSON list of turns, or else a single turn."""
        text = super().read_input(argument)
        if not text.lstrip().startswith("["):
            return [text]
        try:
            return self.input_schema.parse(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise InputError(
                'A conversation must be a JSON list of turns, such as ["Hi!"]. Received: '
                f"{text[:200]}"
            ) from error

    def answers(self, inputs: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
        """The reply to each conversation, drawn with a fixed seed, so that it is repeatable.

        Args:
            inputs: list of conversations, lists of str.

        Returns:
            A list of dicts `{"output": str}`, in the order of `inputs`.
        """
        inputs = self.input_schema.parse_all(inputs)
        return [{"output": self.generate([turns], seed=0)[0]} for turns in inputs]


class Conversation:
    """A conversation whose states are kept between turns.

    Args:
        model: a `DialogueModel`.

    Attributes:
        turns: list of str, what was said so far.
    """

    def __init__(self, model: DialogueModel) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Begins a new conversation."""
        self.turns: list[str] = []
        self._text = Continuation(self.model)
        self._text.read(self.model.preprocessor.conversation_ids([]))

    def reply(self, turn: str, max_length: int | None = None) -> str:
        """The reply to a turn, a str."""
        return "".join(self.stream(turn, max_length)).strip()

    def stream(self, turn: str, max_length: int | None = None) -> Iterator[str]:
        """Replies to a turn and yields the reply piece by piece.

        Args:
            turn: str.
            max_length: int, the most tokens of the reply; by default 64.

        Returns:
            An iterator over str, the pieces. If iteration stops early, the reply ends there.
        """
        check_count("max_length", max_length)
        (read,) = self.model.preprocessor.turn_ids([turn])
        self._text.read(read)
        return self._pieces(turn, max_length or REPLY_TOKENS)

    def _pieces(self, turn, max_length):
        stop, said = self.model.preprocessor.stop_token_ids, ""
        try:
            for piece in self._text.pieces(max_length):
                said += piece
                yield piece
        finally:
            if self._text.last not in stop:
                self._text.read(list(stop))
            self.turns += [turn, said.strip()]
