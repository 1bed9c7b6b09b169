"""Compiles the C++ kernels with the local compiler and caches the library."""

import hashlib
import logging
import os
import platform
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

FOLDER = Path(__file__).parent
HEADERS = sorted(FOLDER.rglob("*.h"))

# No -ffast-math: it would reorder sums and break comparisons with NaN.
FLAGS = ["-O2", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared", "-fvisibility=hidden"]

# Runs a command until it ends or standard input is closed, as when this process is killed; then no
# process of its group is left.
WATCHED = """
exec 3<&0
(read -r _ <&3; kill -KILL 0) > /dev/null 2>&1 &
"$@" < /dev/null 3<&-
status=$?
kill $!
exit $status
"""
DAY = 24 * 60 * 60  # seconds


class BuildError(RuntimeError):
    """The kernels cannot be compiled on this machine."""


def build():
    """Returns the path of the compiled library, after compiling it if it is not cached whole.

    Each backend of Keras has its own library, whose sources and flags its module
    `zoo.layers.kernels.on_<backend>` names.

    A library's name ends with the start of its SHA-256: loading a truncated one would kill the
    process with SIGBUS, which Python can't catch. If the compiler is gone, a library that another
    compiler built from the same sources for the same processor is used.

    The compiler is `$CXX`, by default `c++`, `g++` or `clang++`. The cache folder is
    `$ZOO_CACHE_DIR`, by default `~/.cache/recurrent-zoo/kernels`.

    Raises:
        BuildError: If no compiler is found, or it fails, and no library is cached; if the cache
            cannot be written; or if there are no kernels for the backend of Keras.
    """
    from zoo.layers.kernels.bindings import binding  # here, because it imports the backend

    if binding is None:
        raise BuildError("there are none for this backend of Keras")
    sources = [FOLDER / name for name in binding.SOURCES]
    cache, prefix = cache_folder(), f"zoo_kernels_{_hash_of_sources(binding.VERSION, sources)}"
    try:
        compiler = find_compiler()
        command = [*compiler, *FLAGS, *native_flags(compiler), *binding.compile_flags()]
        name = f"{prefix}_{_hash([*command, _run([*compiler, '--version'])])}"
    except BuildError:
        if library := _find_whole(cache, prefix):
            return library
        raise
    try:
        _sweep(cache)
        if library := _find_whole(cache, name):
            return library
        logging.getLogger("zoo").warning(
            "Compiling the recurrent kernels for this machine, once (about a minute) ..."
        )
        cache.mkdir(parents=True, exist_ok=True)
        # Another process may compile at the same time: each writes and renames its own file.
        ours = f"tmp-{socket.gethostname()}-{os.getpid()}-"
        with tempfile.TemporaryDirectory(prefix=ours, dir=cache) as folder:
            compiled = Path(folder) / name
            link = ["-o", str(compiled), *binding.link_flags()]
            _run([*command, *map(str, sources), *link])
            library = cache / f"{name}_{_digest(compiled)}.so"
            os.replace(compiled, library)
    except OSError as error:
        raise BuildError(f"cannot write {cache}: {error}") from error
    return library


def _find_whole(cache, name):
    """A cached library of such a name whose content is unchanged; removes damaged ones."""
    for library in sorted(cache.glob(f"{name}_*.so")):
        if library.stem.rpartition("_")[2] == _digest(library):
            return library
        library.unlink(missing_ok=True)
    return None


def _digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _sweep(cache):
    """Removes leftovers of killed processes: of this host, and those of other hosts after a day."""
    ours = f"tmp-{socket.gethostname()}-"
    for folder in cache.glob("tmp*"):
        process = folder.name.removeprefix(ours).partition("-")[0]
        if folder.name.startswith(ours) and process.isdecimal():
            is_left = not _is_running(int(process))
        else:
            is_left = time.time() - folder.stat().st_mtime > DAY
        if is_left:
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


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


def _hash_of_sources(version, sources):
    """Returns a hash of everything the compiled library depends on, except for the compiler.

    Args:
        version: The name and version of the backend.
        sources: List of the paths of the files to compile.
    """
    return _hash([version, _processor(), *(path.read_text() for path in [*sources, *HEADERS])])


def _hash(parts):
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
    watched, kept_open = os.pipe()
    try:
        done = subprocess.run(
            ["sh", "-c", WATCHED, "sh", *command],
            stdin=watched,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
    except OSError as error:
        raise BuildError(f"the C++ compiler cannot be run: {error}") from error
    finally:
        os.close(watched)
        os.close(kept_open)
    if done.returncode != 0:
        message = done.stderr.strip()[-2000:] or "no error message"
        raise BuildError(f"the C++ compiler failed ({shlex.join(command[:1])}): {message}")
    return done.stdout
