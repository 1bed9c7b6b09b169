"""Whether this process is the command `zoo`."""

import sys
from pathlib import Path


def is_running():
    """Whether the program is the command `zoo`, or `python -m zoo`.

    Python imports the package before the command itself can record this.
    """
    # The word before the program's arguments; `sys.argv[0]` is "-m" while a package is imported.
    program = sys.orig_argv[-len(sys.argv) :][:1] if sys.argv else []
    return [Path(word.removeprefix("-m")).stem for word in program] == ["zoo"]
