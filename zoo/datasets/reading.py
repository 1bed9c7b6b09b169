"""Reads prepared datasets into plain Python, and hashes them."""

import contextlib
import difflib
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.datasets.errors import DatasetError

if TYPE_CHECKING:  # it may not be installed
    import tensorflow_datasets as tfds

# Examples decoded or hashed at once.
_BATCH_SIZE = 1024


def read(builder: "tfds.core.DatasetBuilder", split: str) -> dict[str, list[Any]]:
    """Returns a split as one list per feature, in the order of its files.

    Args:
        builder: A prepared TFDS builder.
        split: The name of a split, or slices and sums in TFDS' notation, such as
            `"train[:100]"` and `"train+validation"`.

    Returns:
        A dict of lists of equal length. Texts are `str`, sequences of texts are lists of `str`,
        scalars are Python numbers, and anything else is a NumPy array with the shape and dtype of
        the feature, such as float32 `[frames, 12]`. A nested feature is named by its path, such as
        `"translation/de"`.

    Raises:
        DatasetError: There is no such split.
        OSError: The prepared data is damaged.
    """
    import tensorflow_datasets as tfds

    _check_split(split, builder)
    leaves = dict(_leaves(builder.info.features))
    columns: dict[tuple[str, ...], list[Any]] = {path: [] for path in leaves}
    with _damage_explained(builder):
        dataset = builder.as_dataset(
            split=split,
            # One file after another.
            read_config=tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False),
        )
        for batch in dataset.ragged_batch(_BATCH_SIZE):
            for path, feature in leaves.items():
                value = batch
                for name in path:
                    value = value[name]
                rows = _rows(value)
                if isinstance(feature, tfds.features.Text):
                    rows = [text.decode() for text in rows]
                elif isinstance(getattr(feature, "feature", None), tfds.features.Text):
                    rows = [[text.decode() for text in texts] for texts in rows]
                columns[path] += rows
    return {"/".join(path): column for path, column in columns.items()}


def digest(builder: "tfds.core.DatasetBuilder") -> str:
    """Returns the SHA-256 of a dataset's whole content, 64 hexadecimal digits.

    It covers the features, with the names of their classes, and every example of every split. It
    doesn't depend on the machine, on the order of the examples or on the number of files.

    Args:
        builder: A prepared TFDS builder.

    Raises:
        OSError: The prepared data is damaged.
    """
    import tensorflow as tf

    features = []
    for path, feature in _leaves(builder.info.features):
        tensors = tf.nest.flatten(feature.get_tensor_info())
        types = [[tensor.tf_dtype.name, list(tensor.shape)] for tensor in tensors]
        features.append(["/".join(path), types, getattr(feature, "names", None)])
    splits = {
        split: hashlib.sha256(b"".join(sorted(_example_digests(builder, split)))).hexdigest()
        for split in builder.info.splits
    }
    content = json.dumps([sorted(features), sorted(splits.items())])
    return hashlib.sha256(content.encode()).hexdigest()


def _leaves(features, path=()):
    """Yields the path, as a tuple of names, and the feature of each leaf of nested features."""
    import tensorflow_datasets as tfds

    for name, feature in features.items():
        if isinstance(feature, tfds.features.FeaturesDict):
            yield from _leaves(feature, (*path, name))
        else:
            yield (*path, name), feature


def _rows(batch):
    """Returns the elements of a batch, a dense or ragged tensor, as a list."""
    if not hasattr(batch, "row_splits"):
        values = batch.numpy()
        return values.tolist() if values.ndim == 1 else list(values)
    if batch.ragged_rank == 1:
        return np.split(batch.values.numpy(), batch.row_splits.numpy()[1:-1])
    return [row.to_tensor().numpy() for row in batch]


def _example_digests(builder, split):
    """Returns the digest of each stored example of a split.

    Hashing the files wouldn't work: the features of a record may be written in any order.
    """
    import tensorflow as tf
    from tensorflow_datasets.core import file_adapters

    info = builder.info.splits[split]
    adapter = file_adapters.ADAPTER_FOR_FORMAT[builder.info.file_format]
    digests = []
    with _damage_explained(builder):
        for path in info.filepaths:
            for batch in adapter.make_tf_data(path).batch(_BATCH_SIZE).as_numpy_iterator():
                digests += [_example_digest(tf.train.Example.FromString(row)) for row in batch]
    if len(digests) != info.num_examples:
        raise OSError(
            _damage(builder, f"{split} has {len(digests)} of {info.num_examples} examples")
        )
    return digests


def _example_digest(example):
    content = hashlib.sha256()
    for name, feature in sorted(example.features.feature.items()):
        kind = feature.WhichOneof("kind")
        values = getattr(feature, kind).value if kind else []
        content.update(json.dumps([name, kind, len(values)]).encode())
        if kind == "bytes_list":
            for value in values:
                content.update(len(value).to_bytes(8, "little") + value)
        elif kind:
            content.update(np.array(values, "<f4" if kind == "float_list" else "<i8").tobytes())
    return content.digest()


def _check_split(split, builder):
    known = sorted(builder.info.splits)
    for name in (part.split("[")[0].strip() for part in split.split("+")):
        if name not in {*known, "all"}:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0)
            raise DatasetError(
                f"{builder.info.full_name} has no split {name!r}. Did you mean "
                f"{', '.join(map(repr, near))}? Its splits: {', '.join(known)}."
            )


@contextlib.contextmanager
def _damage_explained(builder):
    """Turns TensorFlow's errors about files into an error that says what to do."""
    import tensorflow as tf

    # In this order: corrupt bytes, missing files, missing examples.
    errors = tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.FailedPreconditionError
    try:
        yield
    except errors as error:
        raise OSError(_damage(builder, error.message)) from error


def _damage(builder, what):
    return (
        f"The prepared data of {builder.info.full_name} is damaged: {what}. Delete the folder "
        f"{builder.data_dir}, and it will be prepared again."
    )
