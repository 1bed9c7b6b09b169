"""The layout of a new task kind's own data: numbers and their sum a line."""

import numpy as np

from zoo.datasets.layouts.layout import SPLITS, Layout, read_lines


class Numbers(Layout):
    """`train.numbers`, with numbers a line and, behind `=`, their sum."""

    description = "train.numbers with lines such as 1 2 = 3"
    endings = (".numbers",)

    def recognises(self, folder):
        return (folder / "train.numbers").is_file()

    def examples(self, folder):
        for split in SPLITS:
            path = folder / f"{split}.numbers"
            for line in read_lines(path) if path.is_file() else ():
                numbers, _, total = line.partition("=")
                yield split, {"numbers": numbers, "sum": total}

    def features(self, examples):
        import tensorflow_datasets.public_api as tfds

        return {
            "numbers": tfds.features.Tensor(shape=(None,), dtype=np.float32),
            "sum": tfds.features.Scalar(np.float32),
        }

    def encode(self, example):
        numbers = np.array(example["numbers"].split(), "float32")
        return {"numbers": numbers, "sum": np.float32(example["sum"])}
