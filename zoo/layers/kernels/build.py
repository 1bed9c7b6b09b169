"""Compiles the C++ kernels with the local compiler and caches the library."""

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

# No -ffast-math: it would reorder sums and break comparisons with NaN.
FLAGS = ["-O2", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared", "-fvisibility=hidden"]


class BuildError(RuntimeError):
    """The kernels cannot be compiled on this machine."""


def build():
    """Returns the path of the compiled library, after compiling it if it is not cached.

    The compiler is `$CXX`, by default `c++`, `g++` or `clang++`. The cache folder is
    `$ZOO_CACHE_DIR`, by default `~/.cache/recurrent-zoo/kernels`.

    Raises:
        BuildError: If no compiler is found, it fails, or the cache cannot be written.
    """
    compiler = find_compiler()
    command = [*compiler, *FLAGS, *native_flags(compiler), *tf.sysconfig.get_compile_flags()]
    library = cache_folder() / f"zoo_kernels_{_key(compiler, command)}.so"
    if library.exists():
        return library
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        # Another process may compile at the same time: each writes its own file, and the last to
        # rename it wins.
        with tempfile.TemporaryDirectory(dir=library.parent) as folder:
            compiled = Path(folder) / library.name
            link = ["-o", str(compiled), *tf.sysconfig.get_link_flags()]
            _run([*command, str(SOURCES[0]), *link])
            os.replace(compiled, library)
    except OSError as error:
        raise BuildError(f"cannot write {library}: {error}") from error
    return library


def find_compiler():
    """Returns the compiler command as a list of words.

    Raises:
        BuildError: If no compiler is found.
    """
    if os.environ.get("CXX"):
        return shlex.split(os.environ["CXX"])
    for name in ("c++", "g++", "clang++"):
        if path := shutil.which(name):
            return [path]
    raise BuildError("no C++ compiler found; install one or set CXX")


def cache_folder():
    """Returns the folder of the compiled libraries."""
    default = Path.home() / ".cache" / "recurrent-zoo" / "kernels"
    return Path(os.environ.get("ZOO_CACHE_DIR") or default)


def native_flags(compiler):
    """Returns the compiler's flags for all instruction sets of this machine.

    They leave out half precision in AVX-512: TensorFlow's copy of Eigen does not compile with it,
    and the kernels do not use it.

    Raises:
        BuildError: If the compiler cannot be run.
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
    """Returns a hash of everything the compiled library depends on."""
    parts = [tf.__version__, *command, _run([*compiler, "--version"]), _processor()]
    parts += [source.read_text() for source in SOURCES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _processor():
    """Describes the processor's model and instruction sets, which determine `-march=native`."""
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
        message = done.stderr.strip()[-2000:] or "no error message"
        raise BuildError(f"the C++ compiler failed ({shlex.join(command[:1])}): {message}")
    return done.stdout
