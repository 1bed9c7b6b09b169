"""Hourly oil temperature and loads of an electricity transformer."""

from zoo.datasets.ett_builder import SITE, EttBuilder
from zoo.datasets.originals import HashedFile


class Builder(EttBuilder):
    """Builder of `etth1`."""

    FILE = HashedFile(
        "ETTh1.csv",
        "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
        f"{SITE}/ETT-small/ETTh1.csv",
    )
