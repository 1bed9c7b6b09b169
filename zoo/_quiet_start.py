"""Imports TensorFlow without its start-up log, which no setting of TensorFlow's own turns off."""

import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def import_quietly():
    """Imports KerasHub, and with it TensorFlow, with the C library's standard error held back.

    What was held back is shown if the import fails."""
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import keras_hub  # noqa: F401
        except BaseException:
            os.dup2(original, 2)
            held.seek(0)
            sys.stderr.write(held.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


import_quietly()
