"""The layers work on JAX and torch, where they are installed: a part of `make test-backends`."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).with_name("test_layers_of_any_backend.py")
SOME = "test_outputs_match_the_equations and options0 and True"


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_outputs_match_the_equations(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} isn't installed; `make test-backends` installs it")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(TESTS), "-k", SOME],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
