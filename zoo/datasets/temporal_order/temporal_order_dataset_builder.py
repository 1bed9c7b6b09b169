"""The temporal order problem: which of two symbols came first in a long sequence."""

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.gap_builder import GapBuilder, codes, texts

START = "E"
TRIGGER = "B"
DISTRACTORS = "abcd"
RELEVANT = "XY"
# A label is the two relevant symbols of a sequence, in order.
LABELS = ["XX", "XY", "YX", "YY"]


def draw(generator, count, gap):
    """Returns sequences with two relevant symbols among distractors, and the order of the two.

    A sequence starts with `E` and ends with `B`. The first relevant symbol, `X` or `Y`, is at a
    position from `gap` / 10 to 2 `gap` / 10, the second at one from 5 `gap` / 10 to 6 `gap` / 10,
    rounded down, both ends included, with the first letter at position 0. After Hochreiter and
    Schmidhuber (1997), experiment 6a.

    Args:
        generator: A `np.random.Generator`.
        count: The number of sequences.
        gap: The length of the sequences, at least 10.

    Returns:
        A dict of lists of length `count`. `symbols` holds strings of `gap` letters. `label` holds
        indices in `LABELS`.

    Raises:
        ValueError: The gap is too short.
    """
    if gap < 10:
        raise ValueError(
            f"gap must be at least 10, so that each symbol has a place. Received: {gap}"
        )
    symbols = codes(DISTRACTORS)[generator.integers(0, 4, (count, gap), np.uint8)]
    symbols[:, 0] = ord(START)
    symbols[:, -1] = ord(TRIGGER)
    first = generator.integers(gap // 10, 2 * gap // 10, count, endpoint=True)
    second = generator.integers(5 * gap // 10, 6 * gap // 10, count, endpoint=True)
    label = generator.integers(0, len(LABELS), count)
    each = np.arange(count)
    symbols[each, first] = codes(RELEVANT)[label // 2]
    symbols[each, second] = codes(RELEVANT)[label % 2]
    return {"symbols": texts(symbols), "label": label.tolist()}


class Builder(GapBuilder):
    """Builder of `temporal_order`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    draw = staticmethod(draw)

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "symbols": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=LABELS),
                }
            ),
            supervised_keys=("symbols", "label"),
            license="CC0 1.0",
            homepage="https://doi.org/10.1162/neco.1997.9.8.1735",
        )
