"""Tests of the dataset `shakespeare_plays`."""

import pytest

from zoo.datasets import testing
from zoo.datasets.shakespeare_plays import shakespeare_plays_dataset_builder
from zoo.datasets.shakespeare_plays.shakespeare_plays_dataset_builder import plain, split_of


class ShakespearePlaysTest(testing.BuilderTestCase):
    DATASET_CLASS = shakespeare_plays_dataset_builder.Builder
    SPLITS = {"train": 2, "validation": 2, "test": 3}


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("# The Mill\n\n\n\n## ACT I\n", "The Mill\n\nACT I\n"),
        ("**MILLER**  \nIt turns,  \nit turns.\n", "MILLER:\nIt turns,\nit turns.\n"),
        ("_Enter MILLER, and\nothers_\n", "[Enter MILLER, and\nothers]\n"),
        ("*Exeunt.*\n", "[Exeunt.]\n"),
        ("**MILLER**  \n_\\[Aside]_  \nHm.\n", "MILLER:\n[Aside]\nHm.\n"),
        ("[Aside]_  \nHm.\n\n_Exit_\n", "[Aside]\nHm.\n\n[Exit]\n"),
        ("_Enter MILLER\n\nHm.\n\nExit_\n", "Enter MILLER\n\nHm.\n\nExit\n"),
        ("'It turns,'\\--so they say\n", "'It turns,'--so they say\n"),
    ],
)
def test_a_play_loses_only_its_markup(markdown, text):
    assert plain(markdown) == text


def test_the_held_out_plays_do_not_depend_on_the_order():
    genres = ("comedies", "histories", "romances", "tragedies")
    plays = [(genre, f"{genre}-{number}") for genre in genres for number in range(5)]
    splits = split_of(plays)
    assert split_of(plays[::-1]) == splits
    held_out = {
        split: sorted(genre for (genre, _), found in splits.items() if found == split)
        for split in ("test", "validation")
    }
    assert held_out == shakespeare_plays_dataset_builder.HELD_OUT
