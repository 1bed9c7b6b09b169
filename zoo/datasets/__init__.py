"""Datasets: one folder each, with a builder for TensorFlow Datasets (TFDS).

`builder` prepares a dataset, `read` returns a split of it as plain lists, and `digest` is the hash
of its whole content. TFDS is imported when one of them is called, not before.
"""

import os

# TFDS queries a cloud metadata server on import unless told not to.
os.environ.setdefault("NO_GCE_CHECK", "true")

from zoo.datasets.reading import digest, read
from zoo.datasets.registry import builder, names

__all__ = ["builder", "digest", "names", "read"]
