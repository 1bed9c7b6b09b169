"""The base class of generated datasets that measure memory over gaps of growing length."""

import abc

import numpy as np
import tensorflow_datasets.public_api as tfds

GAPS = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
# Examples of each split.
EXAMPLES = 2560
# The first part of the seed of each split; the second is the gap.
SEEDS = {"validation": 1, "test": 2}


class GapBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base class of builders whose examples are drawn at random, for each gap in `GAPS`.

    The splits are `validation_<gap>` and `test_<gap>`, with `EXAMPLES` examples each, drawn with
    their own seeds. There is no training split: `draw` draws any number of training examples, with
    any other generator, such as `np.random.default_rng(0)`.
    """

    @staticmethod
    @abc.abstractmethod
    def draw(generator, count, gap):
        """Returns examples drawn at random, in the form of `zoo.datasets.read`.

        Args:
            generator: A `np.random.Generator`.
            count: The number of examples.
            gap: The number of steps to remember over.

        Returns:
            A dict of lists of length `count`, one per feature.
        """

    def _split_generators(self, dl_manager):
        return {
            f"{split}_{gap}": self._generate_examples(seed, gap)
            for split, seed in SEEDS.items()
            for gap in GAPS
        }

    def _generate_examples(self, seed, gap):
        columns = self.draw(np.random.default_rng([seed, gap]), EXAMPLES, gap)
        for number, values in enumerate(zip(*columns.values(), strict=True)):
            yield number, dict(zip(columns, values, strict=True))


def codes(letters):
    """Returns the ASCII codes of letters, uint8 `[letters]`."""
    return np.frombuffer(letters.encode("ascii"), np.uint8)


def texts(rows):
    """Returns rows of ASCII codes, uint8 `[count, length]`, as a list of `str`."""
    return [row.tobytes().decode("ascii") for row in rows]
