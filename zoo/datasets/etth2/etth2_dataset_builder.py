"""Hourly oil temperature and loads of a second electricity transformer."""

from zoo.datasets.ett_builder import SITE, EttBuilder
from zoo.datasets.originals import HashedFile


class Builder(EttBuilder):
    """Builder of `etth2`."""

    FILE = HashedFile(
        "ETTh2.csv",
        "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
        f"{SITE}/ETT-small/ETTh2.csv",
    )
