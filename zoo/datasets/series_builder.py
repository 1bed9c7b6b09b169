"""The base of datasets of time series: their features, and how a series is divided in time."""

import dataclasses
import gzip
import hashlib

import numpy as np
import tensorflow_datasets.public_api as tfds
from tensorflow_datasets.core.download.download_manager import NonMatchingChecksumError


def features():
    """Returns the TFDS features of a series in a split.

    The values of the split are those from `origin` on; the ones before it are their history.
    Forecasts of `horizon` values are measured by `metric`.
    """
    return {
        "id": tfds.features.Text(doc="Name of the series."),
        "series": tfds.features.Tensor(shape=(None,), dtype=np.float32, doc="Values in order."),
        "origin": tfds.features.Scalar(np.int64, doc="Index of the first value of the split."),
        "horizon": tfds.features.Scalar(np.int64, doc="Number of values to forecast."),
        "period": tfds.features.Scalar(np.int64, doc="Values of a season."),
        "frequency": tfds.features.Text(doc="Time between values, as pandas names it, or empty."),
        "metric": tfds.features.Text(doc="Metric of forecasts: mse, smape, mase or owa."),
    }


def divided(series, validation, test, **facts):
    """Returns the examples of each split of series, which follow each other in time.

    Args:
        series: A dict from the name of a series to its values, up to the end of the test split.
        validation: A function from the number of values to the index of the first one that
            validates.
        test: The same for the first one that tests.
        **facts: The features that all series share: `horizon`, `period`, `frequency`, `metric`.

    Returns:
        A dict of lists of dicts. A split's series ends where the next split's values begin.
    """
    splits = {"train": [], "validation": [], "test": []}
    for name, values in series.items():
        count = len(values)
        starts = [0, validation(count), test(count), count]
        for number, examples in enumerate(splits.values()):
            values_so_far = np.asarray(values[: starts[number + 1]], "float32")
            origin = starts[number]
            examples.append({"id": name, "series": values_so_far, "origin": origin, **facts})
    return splits


class SeriesBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Base of builders of time series; a builder defines `splits`."""

    LICENSE = None
    HOMEPAGE = None

    def splits(self, dl_manager):
        """Returns what `divided` returns."""
        raise NotImplementedError

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features()),
            license=self.LICENSE,
            homepage=self.HOMEPAGE,
        )

    def _split_generators(self, dl_manager):
        return {
            name: self._generate_examples(examples)
            for name, examples in self.splits(dl_manager).items()
        }

    def _generate_examples(self, examples):
        yield from enumerate(examples)


@dataclasses.dataclass(frozen=True)
class HashedFile:
    """A file of a dataset.

    Attributes:
        name: Its original name. In TFDS' `manual_dir`, it is compressed and ends with `.gz`.
        sha256: The hash of its content.
        url: Its address.
    """

    name: str
    sha256: str
    url: str

    def read(self, dl_manager):
        """Returns the content, a str, from `manual_dir`, or else from its address.

        Raises:
            NonMatchingChecksumError: The content has another hash.
        """
        path = _manual(dl_manager, f"{self.name}.gz")
        if path:
            content = gzip.decompress(path.read_bytes())
        else:
            path = dl_manager.download(self.url)
            content = path.read_bytes()
        received = hashlib.sha256(content).hexdigest()
        if received != self.sha256:
            raise NonMatchingChecksumError(
                f"{path} isn't the original {self.name}: expected content with the SHA-256 "
                f"{self.sha256}, received {received}"
            )
        return content.decode("utf-8")


def _manual(dl_manager, name):
    """Returns the path of a file in `manual_dir`, or None if it isn't there."""
    try:
        path = dl_manager.manual_dir / name
    except AssertionError:
        # TFDS raises it for a folder that doesn't exist or is empty.
        return None
    return path if path.exists() else None
