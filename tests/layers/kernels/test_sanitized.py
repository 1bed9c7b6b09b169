"""The kernels touch no memory but their own, and nothing that C++ leaves undefined."""

import subprocess
from pathlib import Path

import pytest

from zoo.layers.kernels import build

FLAGS = ["-std=c++17", "-O1", "-g", "-pthread"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def test_address_and_undefined_behaviour_sanitizers_find_nothing(tmp_path):
    try:
        compiler = build.find_compiler()
        native = build._native(compiler)
    except build.BuildError as error:
        pytest.skip(str(error))
    source = Path(__file__).with_name("sanitized.cc")
    command = [*compiler, *FLAGS, *native, f"-I{Path(build.__file__).parent}", str(source)]
    hello = tmp_path / "hello.cc"
    hello.write_text("int main() {}")
    probe = [*compiler, *SANITIZERS, str(hello), "-o", str(tmp_path / "hello")]
    if subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("the compiler has no sanitizers")
    program = tmp_path / "sanitized"
    subprocess.run([*command, *SANITIZERS, "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1152 problems\n"
