"""NumPy files as models take them."""

from zoo.files import require_file


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
        ValueError: The path doesn't end with `.npy` or isn't that of a file, or the file holds no
            array of that rank.
    """
    import numpy as np

    if not path.endswith(".npy"):
        received = f": {path}" if path else " an empty line"
        raise ValueError(
            f"This model takes {schema.name}: give the path of a NumPy file (.npy) with an array "
            f"{shape}. Received{received}"
        )
    require_file(path)
    try:
        # Memory mapping takes no memory, so a header with a huge shape is detected by the file's
        # size.
        mapped = np.lib.format.open_memmap(path, mode="r")
        return schema.parse(np.array(mapped))
    except OSError:
        raise
    except MemoryError:
        raise ValueError(
            f"{path} holds more {schema.name} than fits in memory. Split it."
        ) from None
    except Exception as error:  # NumPy evaluates a damaged header as Python: any error is possible
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "mmap length" in reason:
            reason = "it is shorter than its header says"
        raise ValueError(f"{path} can't be read as {schema.name}: {reason}") from error
