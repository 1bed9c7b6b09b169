"""The copying memory problem: ten symbols repeated after a long gap."""

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.gap_builder import GapBuilder, codes, texts

SYMBOLS = "abcdefgh"
# Symbols to copy.
COUNT = 10
BLANK = "."
DELIMITER = ":"


def draw(generator, count, gap):
    """Returns sequences that start with the symbols to copy, and those symbols.

    `COUNT` symbols, `gap` - 1 blanks, the delimiter and `COUNT` blanks, during which a model
    answers. This is the form of Arjovsky, Shah and Bengio (2016), after Hochreiter and Schmidhuber
    (1997).

    Args:
        generator: A `np.random.Generator`.
        count: The number of sequences.
        gap: The steps from the last symbol to the delimiter, at least 1.

    Returns:
        A dict of lists of length `count`. `symbols` holds strings of `gap` + 20 letters. `copied`
        holds strings of 10 letters.
    """
    copied = codes(SYMBOLS)[generator.integers(0, len(SYMBOLS), (count, COUNT), np.uint8)]
    symbols = np.full((count, COUNT + gap + COUNT), ord(BLANK), np.uint8)
    symbols[:, :COUNT] = copied
    symbols[:, COUNT + gap - 1] = ord(DELIMITER)
    return {"symbols": texts(symbols), "copied": texts(copied)}


class Builder(GapBuilder):
    """Builder of `copy`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    draw = staticmethod(draw)

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {"symbols": tfds.features.Text(), "copied": tfds.features.Text()}
            ),
            supervised_keys=("symbols", "copied"),
            license="CC0 1.0",
            homepage="https://arxiv.org/abs/1511.06464",
        )
