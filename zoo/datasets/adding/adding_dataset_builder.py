"""The adding problem: the sum of two marked numbers in a long sequence."""

import numpy as np
import tensorflow_datasets.public_api as tfds

from zoo.datasets.gap_builder import GapBuilder


def draw(generator, count, gap):
    """Returns sequences of numbers, two of them marked, and the sums of the marked numbers.

    The first mark is in the first half of the sequence, the second in the second half. This is the
    form of Le, Jaitly and Hinton (2015) of the adding problem of Hochreiter and Schmidhuber (1997),
    experiment 4.

    Args:
        generator: A `np.random.Generator`.
        count: The number of sequences.
        gap: The length of the sequences, at least 2.

    Returns:
        A dict of lists of length `count`. `values` holds arrays, float32 `[gap, 2]`: a number in
        [0, 1) and its mark, 1 or 0. `sum` holds floats.
    """
    values = np.zeros((count, gap, 2), np.float32)
    values[:, :, 0] = generator.random((count, gap), np.float32)
    first = generator.integers(0, gap // 2, count)
    second = generator.integers(gap // 2, gap, count)
    each = np.arange(count)
    values[each, first, 1] = values[each, second, 1] = 1
    sums = values[each, first, 0] + values[each, second, 0]
    return {"values": list(values), "sum": sums.tolist()}


class Builder(GapBuilder):
    """Builder of `adding`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    draw = staticmethod(draw)

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "values": tfds.features.Tensor(
                        shape=(None, 2), dtype=np.float32, encoding=tfds.features.Encoding.BYTES
                    ),
                    "sum": tfds.features.Scalar(np.float32),
                }
            ),
            supervised_keys=("values", "sum"),
            license="CC0 1.0",
            homepage="https://arxiv.org/abs/1504.00941",
        )
