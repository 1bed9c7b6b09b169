"""Builder of datasets of sentences that were written for this project, only for testing."""

import csv
from pathlib import Path

import tensorflow_datasets.public_api as tfds


class SentencesBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Reads the split `test` from a table with a column per feature.

    Attributes:
        SENTENCES: `Path` of the table, tab-separated.
    """

    SENTENCES: Path

    def _split_generators(self, dl_manager):
        return {"test": self._generate_examples()}

    def _generate_examples(self):
        with self.SENTENCES.open(encoding="utf-8", newline="") as file:
            yield from enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
