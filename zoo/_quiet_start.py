"""Imports TensorFlow without its start-up log, which no TensorFlow setting turns off."""

import contextlib
import os
import sys
import tempfile
import threading

_lock = threading.RLock()  # all threads share the file descriptor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def held_back():
    """Holds back what C libraries write to standard error, and shows it if the block fails."""
    if sys.stderr is None:  # it was closed before Python started
        yield
        return
    with _lock, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        try:
            original = os.dup(2)
        except OSError:  # there is no standard error
            yield
            return
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(original, held.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


with held_back():
    import keras_hub  # noqa: F401
