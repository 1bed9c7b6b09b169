"""The folder that data lies in, on this machine."""

import os
from pathlib import Path


def folder(name):
    """Returns the folder `name` of the cache, made if it isn't there.

    The cache is `ZOO_DATA_DIR`, which users of a machine may share, or `~/.cache/recurrent-zoo`.

    Args:
        name: `"wheels"`, the downloads, `"tfds"`, the prepared datasets, or `"pretrained"`, what
            benchmarks learned without labels.

    Returns:
        A `Path`.

    Raises:
        OSError: The folder can't be made.
    """
    cache = Path(os.environ.get("ZOO_DATA_DIR") or "~/.cache/recurrent-zoo").expanduser()
    path = cache.absolute() / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        error.add_note(
            "Datasets are kept there. Set ZOO_DATA_DIR to a folder that you can write to, or "
            "TFDS_DATA_DIR to one where the datasets are prepared already."
        )
        raise
    return path
