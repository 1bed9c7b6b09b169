"""Task: a conversation in, the reply out."""

import contextlib
import json

from zoo.models.dialogue.dialogue_backbone import DialogueBackbone
from zoo.models.dialogue.dialogue_preprocessor import DialoguePreprocessor
from zoo.models.language_model.causal_task import CausalTask, Continuation, check_count
from zoo.models.protocol import InputError, InputSchema, register

REPLY_TOKENS = 64


@register
class DialogueModel(CausalTask):
    """A recurrent language model of conversations, with markers between turns.

    Its states hold the conversation so far, so a further turn costs its own length and not the
    conversation's. `fit` takes a list of conversations. Arguments as in `CausalTask`,
    with a `DialogueBackbone` and a `DialoguePreprocessor`.

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
        self, inputs, max_length=None, sampler=None, temperature=1.0, seed=None, batch_size=32
    ):
        """The reply to each conversation.

        Args:
            inputs: a conversation, a list of str, or a list of conversations; or an array or a
                tensor of them, or a `tf.data.Dataset` of such batches. To an empty one, as in
                `[[]]`, the reply is an opening.
            max_length: int, the most tokens of a reply; by default 64.
            sampler, temperature, seed, batch_size: see `CausalTask.generate`.

        Returns:
            A str or a list of str, in the order of `inputs`.
        """
        check_count("max_length", max_length)
        self._use(sampler, temperature, seed)
        conversations, is_single = self._parsed(inputs)
        prompts = self.preprocessor.token_ids(conversations)
        limits = [len(prompt) + (max_length or REPLY_TOKENS) for prompt in prompts]
        rows = self._continue(prompts, limits, self.preprocessor.stop_token_ids, batch_size)
        replies = [
            self.preprocessor.detokenize(row[len(prompt) :]).strip()
            for row, prompt in zip(rows, prompts, strict=True)
        ]
        return replies[0] if is_single else replies

    def fit(self, x=None, y=None, sample_weight=None, validation_data=None, **kwargs):
        """As `keras.Model.fit`; `x` may be a list of conversations, lists of str."""
        if self.preprocessor is None or not isinstance(x, (list, tuple)):
            return super().fit(
                x, y, sample_weight=sample_weight, validation_data=validation_data, **kwargs
            )
        if isinstance(validation_data, (list, tuple)):
            validation_data = self._batch(validation_data[0])
        x, y, sample_weight = self._batch(x)
        with self._without_preprocessor():
            return super().fit(
                x, y, sample_weight=sample_weight, validation_data=validation_data, **kwargs
            )

    def evaluate(self, x=None, y=None, sample_weight=None, **kwargs):
        """As `keras.Model.evaluate`; `x` may be a list of conversations, lists of str."""
        if self.preprocessor is None or not isinstance(x, (list, tuple)):
            return super().evaluate(x, y, sample_weight=sample_weight, **kwargs)
        x, y, sample_weight = self._batch(x)
        with self._without_preprocessor():
            return super().evaluate(x, y, sample_weight=sample_weight, **kwargs)

    def _batch(self, conversations):
        return self.preprocessor(self.input_schema.parse_all(conversations))

    @contextlib.contextmanager
    def _without_preprocessor(self):
        """Conversations have no rectangular shape, as KerasHub's pipeline needs."""
        preprocessor, self.preprocessor = self.preprocessor, None
        try:
            yield
        finally:
            self.preprocessor = preprocessor

    def conversation(self, sampler=None, temperature=1.0, seed=None):
        """A `Conversation` with this model; arguments as in `generate`."""
        self._use(sampler, temperature, seed)
        self.make_continue_function()
        return Conversation(self)

    @property
    def input_schema(self):
        return InputSchema("turns", "string", rank=1)

    def read_input(self, argument):
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

    def answers(self, inputs):
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

    def __init__(self, model):
        self.model = model
        self.reset()

    def reset(self):
        """Begins a new conversation."""
        self.turns = []
        self._text = Continuation(self.model)
        self._text.read(self.model.preprocessor.conversation_ids([]))

    def reply(self, turn, max_length=None):
        """The reply to a turn, a str."""
        return "".join(self.stream(turn, max_length)).strip()

    def stream(self, turn, max_length=None):
        """Replies to a turn and yields the reply piece by piece.

        Args:
            turn: str.
            max_length: int, the most tokens of the reply; by default 64.

        Returns:
            An iterator over str, the pieces. If it is left early, the reply ends there.
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
