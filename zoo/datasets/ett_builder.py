"""The base class of the hourly datasets of electricity transformers."""

import csv
import dataclasses
import io

import tensorflow_datasets.public_api as tfds

from zoo.datasets import series_builder
from zoo.datasets.originals import HashedFile

SITE = (
    "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f943005d613b5bc962e9eeb06058cf07"
)
HORIZONS = (24, 96, 336, 720)
MONTH = 30 * 24
TRAIN, VALIDATION, TEST = 12 * MONTH, 4 * MONTH, 4 * MONTH


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
    """A horizon.

    Attributes:
        horizon: Number of hours to forecast.
    """

    horizon: int = 96


class EttBuilder(series_builder.SeriesBuilder, skip_registration=True):
    """Base class of the builders; `FILE` is the original table."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    BUILDER_CONFIGS = [
        Config(name=f"h{horizon}", description=f"{horizon} hours ahead.", horizon=horizon)
        for horizon in HORIZONS
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "The original file, compressed, is used instead of the download."
    LICENSE = "CC BY-ND 4.0"
    HOMEPAGE = "https://github.com/zhouhaoyi/ETDataset"
    FILE: HashedFile

    def splits(self, dl_manager):
        header, *rows = csv.reader(io.StringIO(self.FILE.read(dl_manager)))
        rows = rows[: TRAIN + VALIDATION + TEST]
        series = {
            name: [float(row[column]) for row in rows]
            for column, name in enumerate(header)
            if name != "date"
        }
        return series_builder.divided(
            series,
            validation=lambda count: TRAIN,
            test=lambda count: TRAIN + VALIDATION,
            horizon=self.builder_config.horizon,
            period=24,
            frequency="h",
            metric="mse",
        )
