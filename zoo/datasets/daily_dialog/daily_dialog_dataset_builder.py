"""Everyday conversations of two people, for dialogue."""

import collections
import re
import zipfile

import numpy as np
import tensorflow_datasets.public_api as tfds

URL = (
    "https://raw.githubusercontent.com"
    "/Ls-Dai/Deep-Reinforcement-Learning-for-Dialogue-Generation-in-PyTorch"
    "/bae51b16e3e8c0ce4ffd70b75ecfc40fbeb8e7ee/data"
)
SPLITS = ("train", "validation", "test")
END_OF_TURN = "__eou__"
LONG = 20  # letters and digits of a turn that is long enough to identify a dialogue

ASCII = str.maketrans("’‘′“”。、", "'''\"\".,")
CONTRACTION = re.compile(r"(?<=\w) ' (s|m|t|d|ll|re|ve)\b", re.IGNORECASE)
RULES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\b(o|[Mm]a) ' (clock|am)\b", r"\1'\2"),
        (r'" ([^"]+?) "', r'"\1"'),
        (r" +(?=[.,?!;:%)])", ""),
        (r"(?<=[($£¥]) +", ""),
        # Two sentences without a space between them.
        (r"(?<=[a-z])([.?!])(?=[A-Z])", r"\1 "),
        (r"\s+", " "),
    )
]


def detokenised(turn):
    """Returns a turn as usually written: `"I ’ Ve no idea , sir ."` is `"I've no idea, sir."`."""
    text = turn.translate(ASCII)
    text = CONTRACTION.sub(lambda found: "'" + found[1].lower(), text)
    for pattern, replacement in RULES:
        text = pattern.sub(replacement, text)
    return text.strip()


def parts(turns):
    """Returns what identifies a dialogue: a set of texts of letters and digits in lower case.

    These are its longer turns, since short ones are common phrases; if there are none, the whole
    dialogue.
    """
    keys = [re.sub("[^a-z0-9]", "", turn.lower()) for turn in turns]
    return {key for key in keys if len(key) >= LONG} or {"".join(keys)}


def duplicates(dialogues):
    """Returns whether each dialogue has a duplicate across the border of the training split.

    Args:
        dialogues: A dict of each split's list of dialogues.

    Returns:
        A dict of lists of bools. In `train`, they say whether a single dialogue of `validation` or
        `test` has half of the dialogue's `parts` or more; in `validation` and `test`, whether one
        of `train` has.
    """
    keys = {split: list(map(parts, of_split)) for split, of_split in dialogues.items()}
    train, held_out = _having(keys["train"]), _having(keys["validation"] + keys["test"])
    return {
        split: [_is_in(one, held_out if split == "train" else train) for one in of_split]
        for split, of_split in keys.items()
    }


def _having(dialogues):
    """A dict from each part to the indices of the dialogues that have it."""
    numbers = collections.defaultdict(list)
    for number, of_dialogue in enumerate(dialogues):
        for part in of_dialogue:
            numbers[part].append(number)
    return numbers


def _is_in(of_dialogue, having):
    shared = collections.Counter(number for part in of_dialogue for number in having.get(part, ()))
    return max(shared.values(), default=0) >= len(of_dialogue) / 2


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `daily_dialog`."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {
        "1.0.0": "Initial release.",
        "1.1.0": "`duplicate` marks dialogues that share half of their longer turns, too.",
    }

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "turns": tfds.features.Sequence(tfds.features.Text()),
                    "duplicate": np.bool_,
                }
            ),
            license="CC BY-NC-SA 4.0",
            homepage="http://yanran.li/dailydialog",
        )

    def _split_generators(self, dl_manager):
        paths = dl_manager.download({split: f"{URL}/{split}.zip" for split in SPLITS})
        dialogues = {}
        for split, path in paths.items():
            with zipfile.ZipFile(path) as archive:
                text = archive.read(f"{split}/dialogues_{split}.txt").decode("utf-8")
            # The mark ends a turn, so nothing follows the last one.
            lines = text.removesuffix("\n").split("\n")
            dialogues[split] = [line.split(END_OF_TURN)[:-1] for line in lines]
        found = duplicates(dialogues)
        return {split: self._generate_examples(dialogues[split], found[split]) for split in SPLITS}

    def _generate_examples(self, dialogues, found):
        for number, (turns, duplicate) in enumerate(zip(dialogues, found, strict=True)):
            yield number, {"turns": list(map(detokenised, turns)), "duplicate": duplicate}
