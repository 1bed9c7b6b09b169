"""Sentences about films with negation, contrast and irony, to test classifiers of sentiment."""

from pathlib import Path

import tensorflow_datasets.public_api as tfds

from zoo.datasets.sentences_builder import SentencesBuilder


class Builder(SentencesBuilder):
    """Builder of `film_sentences`."""

    SENTENCES = Path(__file__).with_name("sentences.tsv")
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["negative", "positive"]),
                    "phenomenon": tfds.features.Text(),
                }
            ),
            supervised_keys=("text", "label"),
            license="Apache-2.0",
        )
