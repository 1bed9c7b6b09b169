"""Products of quantized and of rounded factors are right, with any instruction set."""

import subprocess
from pathlib import Path

import pytest

from zoo.layers.kernels import build

WITHOUT = {
    "nothing": [],
    "AVX-512": ["-mno-avx512f"],
    "instructions for int8": ["-mno-avx512vnni", "-mno-avxvnni", "-mno-amx-tile"],
    "AVX": ["-mno-avx"],
}


@pytest.mark.parametrize("missing", WITHOUT)
def test_products_without(missing, tmp_path):
    try:
        compiler = build.find_compiler()
        flags = ["-std=c++17", "-O1", *build.native_flags(compiler), *WITHOUT[missing]]
    except build.BuildError as error:
        pytest.skip(str(error))
    source = Path(__file__).with_name("products_test.cc")
    program = tmp_path / "products_test"
    command = [*compiler, *flags, f"-I{Path(build.__file__).parent}", str(source)]
    done = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True)
    if "unrecognized command-line option" in done.stderr:
        pytest.skip("this compiler doesn't know these instructions")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([str(program)], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "all products are right\n")
