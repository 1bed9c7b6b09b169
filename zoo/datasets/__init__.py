"""Datasets: a builder of TensorFlow Datasets for each, one folder a dataset.

`builder` prepares a dataset, `read` returns a split of it as plain lists, `digest` names its whole
content. TensorFlow Datasets is imported when one of them is called, and by nothing else in `zoo`.
"""

import os

# TensorFlow Datasets asks a cloud's metadata server when it is imported, unless told not to.
os.environ.setdefault("NO_GCE_CHECK", "true")

from zoo.datasets.reading import digest, read
from zoo.datasets.registry import builder, names

__all__ = ["builder", "digest", "names", "read"]
