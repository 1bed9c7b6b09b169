"""NumPy files as models take them."""


def read_array(path, schema, shape):
    """Reads an array of a NumPy file.

    Args:
        path: str, path of the file.
        schema: the `InputSchema` of the array.
        shape: str, its shape, for error messages, such as `"[frames, 12]"`.

    Returns:
        float32 array of the schema's rank.

    Raises:
        OSError: The file can't be opened.
        ValueError: The path doesn't end with `.npy`, or the file holds no array of that rank.
    """
    import numpy as np

    if not path.endswith(".npy"):
        received = f": {path}" if path else " an empty line"
        raise ValueError(
            f"This model takes {schema.name}: give the path of a NumPy file (.npy) with an array "
            f"{shape}. Received{received}"
        )
    try:
        return schema.parse(np.load(path, allow_pickle=False))
    except (EOFError, ValueError) as error:
        raise ValueError(f"{path} can't be read as {schema.name}: {error}") from error
