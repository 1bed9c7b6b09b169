"""The C++ checks of the kernels pass, without TensorFlow."""

import subprocess
from pathlib import Path

import pytest

from zoo.layers.kernels import build


def test_gradients_threads_and_activations(tmp_path):
    try:
        compiler = build.find_compiler()
        flags = ["-std=c++17", "-O1", "-pthread", *build.native_flags(compiler)]
    except build.BuildError as error:
        pytest.skip(str(error))
    source = Path(__file__).with_name("recurrence_test.cc")
    program = tmp_path / "recurrence_test"
    headers = f"-I{Path(build.__file__).parent}"
    subprocess.run([*compiler, *flags, headers, str(source), "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stdout) == (0, "all checks passed\n")
