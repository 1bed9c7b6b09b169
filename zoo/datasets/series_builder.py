"""The base class of time series datasets: their features, and how a series is split in time."""

import numpy as np
import tensorflow_datasets.public_api as tfds


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
    """Returns the examples of each split of series; the splits follow each other in time.

    Args:
        series: A dict from the name of a series to its values, up to the end of the test split.
        validation: A function from the number of values to the index of the first one for
            validation.
        test: The same for the first one for test.
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
    """Base class of builders of time series; a builder defines `splits`."""

    LICENSE: str | None = None
    HOMEPAGE: str | None = None

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
