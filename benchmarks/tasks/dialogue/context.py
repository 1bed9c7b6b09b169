"""Replies in tokenized conversations, and their probability given some of the turns before them."""

import dataclasses
import itertools
import math

import numpy as np

from benchmarks.metrics import bootstrap
from zoo.datasets.errors import DatasetError

GIVEN = 4  # turns before a reply, unless otherwise specified
CONTEXTS = (0, 1, 2, GIVEN)


@dataclasses.dataclass(frozen=True)
class Reply:
    """A turn that a model predicts from those before it.

    Attributes:
        conversation: int, the index of its conversation.
        turn: int, its index there.
    """

    conversation: int
    turn: int

    def context(self, conversations):
        """The `GIVEN` turns before it, or fewer at the beginning; takes lists of str."""
        return conversations[self.conversation][max(0, self.turn - GIVEN) : self.turn]

    def text(self, conversations):
        """The reply itself; takes lists of str."""
        return conversations[self.conversation][self.turn]


def replies_of(conversations):
    """The turns that follow at least `GIVEN` turns; if there are none, all but the first ones.

    Args:
        conversations: list of lists of str.

    Returns:
        A list of `Reply`.

    Raises:
        DatasetError: no conversation has two turns.
    """
    for least in (GIVEN, 1):
        found = [
            Reply(index, turn)
            for index, turns in enumerate(conversations)
            for turn in range(least, len(turns))
        ]
        if found:
            return found
    raise DatasetError("dialogue needs conversations of at least two turns, but found none.")


def first_replies(replies):
    """The first reply of each conversation.

    No turn before it is left out if it is one of `replies_of`, so its context begins with `<s>`.
    """
    return list({reply.conversation: reply for reply in reversed(replies)}.values())[::-1]


def some(replies, count, seed=0):
    """At most `count` of these replies in their order, drawn with a seed."""
    if len(replies) <= count:
        return replies
    chosen = np.random.default_rng(seed).choice(len(replies), count, replace=False)
    return [replies[index] for index in sorted(chosen)]


@dataclasses.dataclass(frozen=True)
class TokenizedConversations:
    """Conversations as token ids.

    Attributes:
        turns: a list of conversations, each a list of turns, each a list of int that ends with
            `</s>`.
        start_id: int, the token id of `<s>`.
        cut_id: int, that of `<cut>`, which begins a conversation that is read from its middle.
    """

    turns: list
    start_id: int
    cut_id: int

    def row(self, index, first=0, end=None):
        """The token ids of the turns from `first` to before `end` of a conversation."""
        marker = self.cut_id if first else self.start_id
        return [marker, *itertools.chain.from_iterable(self.turns[index][first:end])]

    def reply(self, reply):
        """The token ids of a `Reply`."""
        return self.turns[reply.conversation][reply.turn]

    def before(self, reply, given):
        """The token ids of the `given` turns before a `Reply`, with the marker before them."""
        return self.row(reply.conversation, max(0, reply.turn - given), reply.turn)

    def unigrams(self, vocabulary_size):
        """How often each token occurs in turns, int array `[vocabulary_size]`."""
        tokens = itertools.chain.from_iterable(itertools.chain.from_iterable(self.turns))
        return np.bincount(np.fromiter(tokens, "int64"), minlength=vocabulary_size)


def given_turns(score, conversations, replies, given):
    """Log-probabilities of the tokens of replies given some turns before them.

    Args:
        score: function from rows, lists of int, to the log-probabilities of their tokens but the
            first, float arrays `[tokens - 1]`.
        conversations: `TokenizedConversations`.
        replies: list of `Reply`.
        given: int, number of turns.

    Returns:
        A list of float arrays `[tokens]`, in the order of `replies`.
    """
    said = [conversations.reply(reply) for reply in replies]
    rows = [
        conversations.before(reply, given) + ids for reply, ids in zip(replies, said, strict=True)
    ]
    return [row[-len(ids) :] for row, ids in zip(score(rows), said, strict=True)]


def given_all_turns(score, conversations, replies):
    """As `given_turns`, given all turns before each reply."""
    indices = list(dict.fromkeys(reply.conversation for reply in replies))
    scores = dict(zip(indices, score([conversations.row(i) for i in indices]), strict=True))
    found = []
    for reply in replies:
        begin = len(conversations.row(reply.conversation, end=reply.turn)) - 1
        count = len(conversations.reply(reply))
        found.append(scores[reply.conversation][begin : begin + count])
    return found


def perplexity(scores):
    """The perplexity per token of log-probabilities, a list of float arrays `[tokens]`."""
    return math.exp(-np.concatenate(scores).mean(dtype="float64"))


def perplexity_interval(scores, replies):
    """The 95 % interval of the perplexity per token, from a bootstrap over conversations.

    A mean over tokens is a ratio r of two sums over conversations, of the negative log-probability
    l and of the number n of tokens. The bootstrap is that of the mean of r + (l - r n) / mean(n),
    which is r and varies as the ratio does to first order.

    Args:
        scores: list of float arrays `[tokens]`, the log-probabilities of each reply.
        replies: list of `Reply`.

    Returns:
        `(low, high)`, floats.
    """
    _, conversation = np.unique([reply.conversation for reply in replies], return_inverse=True)
    losses = np.bincount(conversation, [-row.sum(dtype="float64") for row in scores])
    tokens = np.bincount(conversation, [len(row) for row in scores])
    ratio = losses.sum() / tokens.sum()
    low, high = bootstrap(ratio + (losses - ratio * tokens) / tokens.mean())
    return math.exp(low), math.exp(high)
