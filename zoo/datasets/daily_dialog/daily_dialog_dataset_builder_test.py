"""Tests of the dataset `daily_dialog`."""

from pathlib import Path
from unittest import mock

import pytest
import tensorflow_datasets as tfds

from zoo import datasets
from zoo.datasets.daily_dialog import daily_dialog_dataset_builder as module

DUMMY = Path(module.__file__).parent / "dummy_data"


class DailyDialogTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = module.Builder
    SPLITS = {"train": 3, "validation": 2, "test": 1}
    DL_EXTRACT_RESULT = {split: f"dailydialog-{split}.zip" for split in module.SPLITS}
    DL_DOWNLOAD_RESULT = DL_EXTRACT_RESULT


def test_every_archive_has_a_checksum_and_a_name_of_its_own():
    known = module.Builder.url_infos
    for split in module.SPLITS:
        assert known[f"{module.URL}/{split}.zip"].filename == f"dailydialog-{split}.zip"


def test_a_dialogue_is_a_list_of_texts_with_its_duplicates_marked(tmp_path):
    builder = module.Builder(data_dir=tmp_path)
    paths = {split: DUMMY / f"dailydialog-{split}.zip" for split in module.SPLITS}
    with mock.patch.object(tfds.download.DownloadManager, "download", return_value=paths):
        builder.download_and_prepare()
    train = datasets.read(builder, "train")
    marked = {turns[0]: mark for turns, mark in zip(*train.values(), strict=True)}
    assert marked == {
        "Is the kettle on?": True,
        "Where's my blue scarf?": False,
        "Nice boat.": False,
    }
    assert ["Where's my blue scarf?", "On the chair. It's yours, is it?", "Yes!"] in train["turns"]
    assert sorted(datasets.read(builder, "validation")["duplicate"]) == [False, True]
    assert datasets.read(builder, "test")["duplicate"] == [False]


@pytest.mark.parametrize(
    ("turn", "text"),
    [
        (" I ’ Ve no idea , sir . ", "I've no idea, sir."),
        ("Don ' t ! It ’ s 9 o ' clock , ma ’ am .", "Don't! It's 9 o'clock, ma'am."),
        ("You don't , do you ?", "You don't, do you?"),
        ("It ' sad .", "It ' sad."),
        ("Well . . . 20 % ( or $ 5 ) ; not more .", "Well... 20% (or $5); not more."),
        ("She said “ Good night ! ” to “ us ” .", 'She said "Good night!" to "us".'),
        ("I see.But why?Because.", "I see. But why? Because."),
        ("The U.S.A. costs 3.5 at 10:30 。", "The U.S.A. costs 3.5 at 10:30."),
        ("a  ten - year plan", "a ten - year plan"),
    ],
)
def test_spaces_around_punctuation_are_undone(turn, text):
    assert module.detokenised(turn) == text


def test_duplicates_ignore_all_but_letters_and_digits():
    dialogues = {
        "train": [["Hi , Jo .", "Hi !"], ["Bye ."], ["At 7 ?"], ["At 8 ?"]],
        "validation": [["hi, Jo", "HI"], ["No."]],
        "test": [["No ."], ["at 7"]],
    }
    assert module.duplicates(dialogues) == {
        "train": [True, False, True, False],
        "validation": [True, False],
        "test": [False, True],
    }


def test_dialogues_are_duplicates_if_they_share_half_of_their_longer_turns():
    longer = [f"We shall meet at the station, gate {number}." for number in range(6)]
    dialogues = {
        "train": [["Hello.", *longer[:2]], [longer[2], "Fine, thank you."], [longer[3], longer[4]]],
        "validation": [["Hello.", longer[0], longer[5]], ["Hello.", "Fine, thank you.", longer[1]]],
        "test": [[longer[2], *longer[4:], "Good!", "A third longer turn of a dialogue."]],
    }
    assert module.duplicates(dialogues) == {
        "train": [True, True, True],
        "validation": [True, True],
        "test": [False],  # a quarter is in each of two dialogues
    }
