"""Runs notebooks and saves each with its outputs once all of its cells have run."""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def run(path):
    """Runs one notebook; if a cell fails, the file stays as it was.

    Metadata about the machine and the time is left out, so that runs differ only in their results.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        kernel_name=KERNEL["name"],
        timeout=None,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
        config=Config({"KernelManager": {"transport_encryption": "auto"}}),
    ).execute()
    notebook.metadata = {"kernelspec": KERNEL}
    for cell in notebook.cells:
        cell.metadata = {}
    finished = path.with_suffix(".finished")
    nbformat.write(notebook, finished)
    finished.replace(path)


def main(paths):
    for path in paths:
        start = time.perf_counter()
        try:
            run(path)
        except CellExecutionError as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        print(f"{path}: {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    named = [Path(argument) for argument in sys.argv[1:]]
    sys.exit(main(named or sorted(Path(__file__).parent.glob("*.ipynb"))))
