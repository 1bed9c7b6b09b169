"""Task: a conversation in, the reply out."""

import json

from zoo.models.dialogue.dialogue_backbone import DialogueBackbone
from zoo.models.dialogue.dialogue_preprocessor import DialoguePreprocessor
from zoo.models.language_model.causal_task import CausalTask, Continuation, check_count
from zoo.models.protocol import InputSchema, register

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
            inputs: a conversation, a list of str, or a list of conversations. To an empty one, as
                in `[[]]`, the reply is an opening.
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

    def fit(self, x=None, y=None, sample_weight=None, **kwargs):
        """As `keras.Model.fit`; `x` may be a list of conversations, lists of str."""
        if not isinstance(x, list) or self.preprocessor is None:
            return super().fit(x, y, sample_weight=sample_weight, **kwargs)
        preprocessor, self.preprocessor = self.preprocessor, None
        try:  # conversations have no rectangular shape, as KerasHub's pipeline needs
            x, y, sample_weight = preprocessor(x)
            return super().fit(x, y, sample_weight=sample_weight, **kwargs)
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
        except ValueError as error:
            raise ValueError(
                f'A conversation must be a JSON list of turns, such as ["Hi!"]. Received: {text}'
            ) from error

    def answers(self, inputs):
        """The reply to each conversation, drawn with a fixed seed, so that it is repeatable.

        Args:
            inputs: list of conversations, lists of str.

        Returns:
            A list of dicts `{"output": str}`, in the order of `inputs`.
        """
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
