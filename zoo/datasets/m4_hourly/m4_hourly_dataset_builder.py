"""The hourly series of the M4 competition."""

import csv
import io

import tensorflow_datasets.public_api as tfds

from zoo.datasets import series_builder
from zoo.datasets.originals import HashedFile

SITE = (
    "https://raw.githubusercontent.com/Mcompetitions/M4-methods"
    "/6c1067e5a57161249b17289a565178dc7a3fb3ca/Dataset"
)
FILES = {
    "train": HashedFile(
        "M4-Hourly-train.csv",
        "ea59b7783573c49077a835ab6465c7d66f1474783360f310988a9a737fbca62f",
        f"{SITE}/Train/Hourly-train.csv",
    ),
    "test": HashedFile(
        "M4-Hourly-test.csv",
        "71a57fccb15e534d973626ada4fb87febf789e9317715b7cc6dd3b5f90db6f42",
        f"{SITE}/Test/Hourly-test.csv",
    ),
}


def series(text):
    """Returns the values of each series in a file, a dict of lists of float."""
    _, *rows = csv.reader(io.StringIO(text))
    # Shorter series have empty fields at the end of their line.
    return {name: [float(value) for value in values if value] for name, *values in rows}


class Builder(series_builder.SeriesBuilder):
    """Builder of `m4_hourly`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Files in this folder are used instead of the downloads: M4-Hourly-train.csv.gz and "
        "M4-Hourly-test.csv.gz."
    )
    LICENSE = "not stated; open access, free for research"
    HOMEPAGE = "https://github.com/Mcompetitions/M4-methods"

    def splits(self, dl_manager):
        train, test = (series(FILES[part].read(dl_manager)) for part in ("train", "test"))
        (horizon,) = {len(values) for values in test.values()}
        return series_builder.divided(
            {name: values + test[name] for name, values in train.items()},
            validation=lambda count: count - 2 * horizon,
            test=lambda count: count - horizon,
            horizon=horizon,
            period=24,
            frequency="h",
            metric="owa",
        )
