"""Shared fixtures of the layer tests."""

import os
import shutil

import pytest


@pytest.fixture(autouse=True)
def _keras_kernel(monkeypatch):
    """Tests layers without the native kernels, unless `ZOO_KERNEL` is set."""
    monkeypatch.setenv("ZOO_KERNEL", os.environ.get("ZOO_KERNEL", "keras"))


@pytest.fixture(scope="session")
def needs_compiler():
    """Skips tests that compile the native kernels where there is no compiler."""
    if not (os.environ.get("CXX") or any(map(shutil.which, ("c++", "g++", "clang++")))):
        pytest.skip("no C++ compiler found")


@pytest.fixture
def native(monkeypatch, needs_compiler, _keras_kernel):
    """Runs layers by the native kernels alone."""
    monkeypatch.setenv("ZOO_KERNEL", "native")
