"""Compiles the native kernels before their first use: `python -m zoo.layers.kernels`."""

import sys
import time

from zoo.layers import kernels
from zoo.layers.kernels import build


def main():
    start = time.perf_counter()
    try:
        kernels.load()
        library = build.build()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Native recurrent kernels: {library} ({time.perf_counter() - start:.1f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
