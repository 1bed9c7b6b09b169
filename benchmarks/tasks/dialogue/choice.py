"""Choice of the next turn: the true reply among replies from other conversations."""

import dataclasses

import numpy as np

from benchmarks.tasks.dialogue.context import GIVEN, Reply, given_turns

CHOICES = 10


@dataclasses.dataclass(frozen=True)
class Choice:
    """A reply and the candidates from which it is to be chosen.

    Attributes:
        reply: `Reply`.
        candidates: list of `Reply` of different texts, `reply` among them.
    """

    reply: Reply
    candidates: list

    def is_right(self, values):
        """Whether the reply has the highest of the candidates' values, floats."""
        return self.candidates[int(np.argmax(values))] == self.reply


def draw(conversations, replies, seed=0):
    """Adds nine replies from other conversations to each reply, in random order.

    Args:
        conversations: list of lists of str.
        replies: list of `Reply`.
        seed: int.

    Returns:
        A list of `Choice`; with fewer candidates if there are fewer texts.
    """
    generator = np.random.default_rng(seed)
    choices = []
    for reply in replies:
        candidates = {reply.text(conversations): reply}
        for index in generator.permutation(len(replies)):
            other = replies[index]
            if other.conversation != reply.conversation:
                candidates.setdefault(other.text(conversations), other)
            if len(candidates) == CHOICES:
                break
        shuffled = list(candidates.values())
        generator.shuffle(shuffled)
        choices.append(Choice(reply, shuffled))
    return choices


def accuracy(choices, values):
    """The fraction of choices in which the reply has the highest value.

    Args:
        choices: list of `Choice`.
        values: list of lists of float, the value of each candidate.
    """
    right = [one.is_right(found) for one, found in zip(choices, values, strict=True)]
    return float(np.mean(right))


def by_information(score, conversations, choices):
    """Scores candidates by their mutual information with the context.

    The value of a candidate is its mean log-probability per token given the `GIVEN` turns before
    the reply, minus that without context: the pointwise mutual information of both, per token. It
    doesn't prefer replies that are likely in any context (J. Li et al., "A Diversity-Promoting
    Objective Function for Neural Conversation Models", NAACL 2016).

    Args:
        score: see `given_turns`.
        conversations: `TokenizedConversations`.
        choices: list of `Choice`.

    Returns:
        A list of lists of float.
    """
    alone = list(dict.fromkeys(one for choice in choices for one in choice.candidates))
    unconditional = {
        one: row.mean()
        for one, row in zip(alone, given_turns(score, conversations, alone, 0), strict=True)
    }
    pairs = [(choice.reply, one) for choice in choices for one in choice.candidates]
    rows = [conversations.before(reply, GIVEN) + conversations.reply(one) for reply, one in pairs]
    values = iter(
        float(row[-len(conversations.reply(one)) :].mean() - unconditional[one])
        for (_, one), row in zip(pairs, score(rows), strict=True)
    )
    return [[next(values) for _ in choice.candidates] for choice in choices]
