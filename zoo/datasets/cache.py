"""The folder that caches data on this machine."""

import os
from pathlib import Path


def folder(name):
    """Returns the folder `name` of the cache, and creates it if necessary.

    The cache is `ZOO_DATA_DIR`, which users of a machine may share, or `~/.cache/recurrent-zoo`.

    Args:
        name: `"wheels"` for downloads, `"tfds"` for prepared datasets, `"pretrained"` for weights
            that benchmarks pretrained, or `"presets"` for presets that are not installed.

    Returns:
        A `Path`.

    Raises:
        OSError: The folder can't be created.
    """
    cache = Path(os.environ.get("ZOO_DATA_DIR") or "~/.cache/recurrent-zoo").expanduser()
    path = cache.absolute() / name
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        error.add_note(
            "Data is cached there. Set ZOO_DATA_DIR to a folder that you can write to, or "
            "TFDS_DATA_DIR to one with datasets that are already prepared."
        )
        raise
    return path
