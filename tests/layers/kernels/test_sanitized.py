"""The kernels have no memory errors, data races or undefined behaviour."""

import os
import subprocess
from pathlib import Path

import pytest

from zoo.layers import kernels
from zoo.layers.kernels import build

FLAGS = ["-std=c++17", "-O1", "-g1", "-pthread", "-fno-sanitize-recover=all"]
# The pointer checks left out take a third of the compile time and add nothing to those of the
# address sanitizer.
SANITIZERS = {
    "memory": ["-fsanitize=address,undefined", "-fno-sanitize=null,alignment,object-size"],
    "threads": ["-fsanitize=thread"],
}
# Every cell is run with one in so many problems. The thread sanitizer is slow.
STRIDES = {"memory": 3, "threads": 13}


@pytest.mark.parametrize("kind", SANITIZERS)
def test_sanitizers_find_nothing(kind, tmp_path):
    try:
        compiler = build.find_compiler()
        flags = [*FLAGS, *build.native_flags(compiler), *SANITIZERS[kind]]
    except build.BuildError as error:
        pytest.skip(str(error))
    hello = tmp_path / "hello.cc"
    hello.write_text("int main() {}")
    probe = tmp_path / "hello"
    command = [*compiler, *flags, str(hello), "-o", str(probe)]
    if any(
        subprocess.run(c, capture_output=True, check=False).returncode for c in (command, [probe])
    ):
        pytest.skip("this compiler does not have the sanitizer")
    stride = STRIDES[kind]
    source = Path(__file__).with_name("sanitized.cc")
    program = tmp_path / "sanitized"
    headers = f"-I{Path(build.__file__).parent}"
    subprocess.run([*compiler, *flags, headers, str(source), "-o", str(program)], check=True)
    done = subprocess.run(
        [str(program), str(stride)],
        env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    problems = len(kernels.CELLS) * len(range(0, 144, stride))
    assert done.stdout == f"{problems} problems\n"
