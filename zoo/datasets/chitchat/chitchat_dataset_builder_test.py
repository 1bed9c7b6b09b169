"""Tests of the dataset `chitchat`."""

from hypothesis import given
from hypothesis import strategies as st

from zoo.datasets import testing
from zoo.datasets.chitchat import chitchat_dataset_builder
from zoo.datasets.chitchat.chitchat_dataset_builder import is_kept, splits, turns_of


class ChitchatTest(testing.BuilderTestCase):
    DATASET_CLASS = chitchat_dataset_builder.Builder
    SPLITS = {"train": 2, "validation": 1, "test": 1}


def test_a_turn_joins_the_messages_of_one_sender():
    groups = [[("a", "Hi ")], [("a", "there"), ("b", " ")], [("a", "?"), ("b", "oh"), ("b", "hi")]]
    messages = [[{"sender": who, "text": text} for who, text in group] for group in groups]
    assert turns_of({"messages": messages}) == (["a", "b"], ["Hi there ?", "oh hi"])


def test_a_conversation_needs_two_senders_four_turns_and_no_spam():
    assert is_kept(list("abab"), ["hi", "hi", "rain?", "x" * 2000])
    assert not is_kept(list("abab"), ["hi", "hi", "rain?", "x" * 2001])
    assert not is_kept(list("aba"), ["hi", "hi", "rain?"])
    assert not is_kept(list("abca"), ["hi", "hi", "rain?", "no"])
    assert not is_kept([], [])


STARTS = st.sampled_from(["2018-04-10", "2018-05-17", "2018-09-15", "2018-10-13", "2018-10-14"])
SENDERS = st.tuples(*[st.sampled_from("abcdefgh")] * 2)


@given(st.dictionaries(st.integers(), st.tuples(STARTS, SENDERS, st.just(["hi"])), max_size=30))
def test_no_sender_is_in_two_splits(conversations):
    kept = splits(conversations)
    senders = [{who for key in part for who in conversations[key][1]} for part in kept.values()]
    assert sum(map(len, senders)) == len(set().union(*senders))
    for (split, part), months in zip(kept.items(), ("04 05", "09 10", "10"), strict=True):
        assert all(conversations[key][0][5:7] in months.split() for key in part), split


def test_a_conversation_with_a_sender_of_an_earlier_split_is_dropped():
    conversations = {
        "spring": ("2018-05-01T10:00:00Z", ("a", "b"), ["1"]),
        "autumn": ("2018-10-13T23:59:59Z", ("c", "d"), ["2"]),
        "mixed": ("2018-10-01T10:00:00Z", ("b", "e"), ["3"]),
        "late": ("2018-10-14T00:00:00Z", ("e", "f"), ["4"]),
        "later": ("2018-11-01T10:00:00Z", ("f", "c"), ["5"]),
    }
    assert splits(conversations) == {
        "train": {"spring": ["1"]},
        "validation": {"autumn": ["2"]},
        "test": {"late": ["4"]},
    }
