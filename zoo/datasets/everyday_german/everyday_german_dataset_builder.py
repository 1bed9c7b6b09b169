"""German sentences of everyday life with their translations, to test translators of captions."""

from pathlib import Path

import tensorflow_datasets.public_api as tfds

from zoo.datasets.sentences_builder import SentencesBuilder


class Builder(SentencesBuilder):
    """Builder of `everyday_german`."""

    SENTENCES = Path(__file__).with_name("sentences.tsv")
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {name: tfds.features.Text() for name in ("source", "target", "kind")}
            ),
            supervised_keys=("source", "target"),
            license="Apache-2.0",
        )
