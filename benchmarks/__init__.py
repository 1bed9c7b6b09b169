"""Benchmarks: run suites of models on standard data, log them to MLflow and report the results."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

from benchmarks import interrupts

with interrupts.handled():  # Python drops an exception that a signal raises in an import lock
    import zoo  # noqa: F401 - before TensorFlow, to silence its start-up log
