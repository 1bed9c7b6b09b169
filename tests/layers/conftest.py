"""Shared fixtures of the layer tests."""

import os

import pytest


@pytest.fixture(autouse=True)
def _keras_kernel(monkeypatch):
    """Tests layers without the native kernels, unless `ZOO_KERNEL` is set."""
    monkeypatch.setenv("ZOO_KERNEL", os.environ.get("ZOO_KERNEL", "keras"))
