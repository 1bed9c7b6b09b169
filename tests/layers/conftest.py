"""Settings of the tests of layers."""

import os

import pytest


@pytest.fixture(autouse=True)
def _keras_kernel(monkeypatch):
    """Unless the environment chooses a kernel, layers are tested with the one in Keras."""
    monkeypatch.setenv("ZOO_KERNEL", os.environ.get("ZOO_KERNEL", "keras"))
