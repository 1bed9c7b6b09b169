"""Compiles the kernels' C++ with the compiler of this machine, once, into a cache."""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import tensorflow as tf

SOURCES = [Path(__file__).with_name(n) for n in ("ops.cc", "recurrence.h", "simd.h", "threads.h")]

# Sums keep their order and comparisons their meaning for NaN, so no -ffast-math.
FLAGS = ["-O2", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared", "-fvisibility=hidden"]


class BuildError(RuntimeError):
    """The kernels cannot be compiled here; the message says why."""


def build():
    """Returns the path of the compiled library, which is compiled if the cache does not have it.

    The compiler is `$CXX`, by default `c++`, `g++` or `clang++`, and the cache is
    `$ZOO_CACHE_DIR`, by default `~/.cache/recurrent-zoo/kernels`.

    Raises:
        BuildError: If there is no compiler, it fails, or the cache cannot be written.
    """
    compiler = find_compiler()
    command = [*compiler, *FLAGS, *_native(compiler), *tf.sysconfig.get_compile_flags()]
    library = cache_folder() / f"zoo_kernels_{_key(compiler, command)}.so"
    if library.exists():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        # Another process may compile the same: each has its own file, and the last to rename wins.
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            made = Path(folder) / library.name
            link = ["-o", str(made), *tf.sysconfig.get_link_flags()]
            _run([*command, str(SOURCES[0]), *link])
            os.replace(made, library)
    except OSError as error:
        raise BuildError(f"cannot write {library}: {error}") from error
    return library


def find_compiler():
    """Returns the compiler's command, a list.

    Raises:
        BuildError: If there is none.
    """
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in ("c++", "g++", "clang++"):
        if path := shutil.which(name):
            return [path]
    raise BuildError("no C++ compiler found; install one or set CXX")


def cache_folder():
    """Returns the folder of compiled libraries."""
    default = Path.home() / ".cache" / "recurrent-zoo" / "kernels"
    return Path(os.environ.get("ZOO_CACHE_DIR") or default)


def _native(compiler):
    """The flags for this machine's own instructions, as this compiler calls them.

    Half precision in AVX-512 is left out: TensorFlow's copy of Eigen doesn't compile with it, and
    the kernels have no use for it.
    """
    for flags in (["-march=native", "-mno-avx512fp16"], ["-march=native"], ["-mcpu=native"]):
        probe = [*compiler, *flags, "-E", "-x", "c++", os.devnull]
        try:
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return flags
        except OSError as error:
            raise BuildError(f"the C++ compiler cannot be run: {error}") from error
    return []


def _key(compiler, command):
    """Names what the compiled library depends on."""
    parts = [tf.__version__, *command, _run([*compiler, "--version"]), _processor()]
    parts += [source.read_text() for source in SOURCES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor():
    """The processor's model and instructions, which `-march=native` stands for."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() + platform.machine()
    names = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


def _run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"the C++ compiler cannot be run: {error}") from error
    if done.returncode != 0:
        said = done.stderr.strip()[-2000:] or "it said nothing"
        raise BuildError(f"the C++ compiler failed ({shlex.join(command[:1])}): {said}")
    return done.stdout
