"""Conversations of two students on any topic, for dialogue."""

import itertools
import json

import tensorflow_datasets.public_api as tfds

from zoo.datasets.wheels import Wheel

WHEEL = Wheel(
    "chitchat-dataset",
    "0.9.0",
    "7bf89f36645e2d5ec87d53370c8e851b5a688479c7beb7079cb4c87fc5acea3e",
)
MEMBER = "chitchat_dataset/dataset.json"

# Conversations with fewer turns are greetings without an answer, and longer turns are spam.
MIN_TURNS = 4
MAX_CHARACTERS = 2000
# A conversation belongs to the last split that begins before it: the validation split at the second
# round of the challenge, the test split within that round.
BEGINNINGS = {"train": "2018-04", "validation": "2018-09", "test": "2018-10-14"}


def turns_of(conversation):
    """Returns the senders of a conversation and its turns, two lists of equal length.

    A turn is what one sender writes without interruption: messages, joined by spaces. Empty
    messages are left out.
    """
    messages = [
        (message["sender"], text)
        for group in conversation["messages"]
        for message in group
        if (text := message["text"].strip())
    ]
    senders, turns = [], []
    for sender, group in itertools.groupby(messages, key=lambda message: message[0]):
        senders.append(sender)
        turns.append(" ".join(text for _, text in group))
    return senders, turns


def is_kept(senders, turns):
    """Returns whether a conversation has two senders, enough turns and no turn that is too long."""
    return (
        len(set(senders)) == 2
        and len(turns) >= MIN_TURNS
        and max(map(len, turns)) <= MAX_CHARACTERS
    )


def splits(conversations):
    """Returns the conversations of each split by their keys. No sender is in two splits.

    The date decides the split. Conversations with a sender of an earlier split are dropped.

    Args:
        conversations: A dict of triples: the time when the conversation started, its senders and
            its turns.

    Returns:
        A dict of dicts of lists of turns.
    """
    kept, known = {}, set()
    ends = [*BEGINNINGS.values(), "9999"][1:]
    for (split, beginning), end in zip(BEGINNINGS.items(), ends, strict=True):
        of_split = {
            key: (senders, turns)
            for key, (start, senders, turns) in conversations.items()
            if beginning <= start < end and known.isdisjoint(senders)
        }
        known = known.union(*(senders for senders, _ in of_split.values()))
        kept[split] = {key: turns for key, (_, turns) in of_split.items()}
    return kept


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `chitchat`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"turns": tfds.features.Sequence(tfds.features.Text())}
            ),
            license="MIT",
            homepage="https://github.com/BYU-PCCL/chitchat-dataset",
        )

    def _split_generators(self, dl_manager):
        with WHEEL.open() as archive:
            data = json.loads(archive.read(MEMBER))
        conversations = {}
        for key, conversation in data.items():
            senders, turns = turns_of(conversation)
            if is_kept(senders, turns):
                conversations[key] = conversation["start"], senders, turns
        return {
            split: self._generate_examples(of_split)
            for split, of_split in splits(conversations).items()
        }

    def _generate_examples(self, conversations):
        for key, turns in conversations.items():
            yield key, {"turns": turns}
