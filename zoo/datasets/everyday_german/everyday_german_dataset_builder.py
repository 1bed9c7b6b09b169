"""German sentences of everyday life with their translations, to test translators of captions."""

import csv
from pathlib import Path

import tensorflow_datasets.public_api as tfds

SENTENCES = Path(__file__).with_name("sentences.tsv")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of `everyday_german`."""

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

    def _split_generators(self, dl_manager):
        return {"test": self._generate_examples()}

    def _generate_examples(self):
        with SENTENCES.open(encoding="utf-8", newline="") as file:
            yield from enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
