"""The data of a run in MLflow: one dataset per split, with the digest of all of the data."""

import json

import mlflow
import numpy as np
from mlflow.data.dataset import Dataset
from mlflow.data.dataset_source import DatasetSource
from mlflow.types.schema import AnyType, Array, ColSpec, DataType, Schema

from benchmarks.config import SPLITS

DIGEST_DIGITS = 36  # as many as MLflow takes


class TfdsSource(DatasetSource):
    """A split of a dataset of TensorFlow Datasets, as `zoo.datasets` names it.

    Args:
        dataset: str, the name of a dataset, or the path of a folder.
        split: str, an expression in the notation of TensorFlow Datasets, or with `feature` a
            regular expression.
        feature: str or None, the text feature that divides the dataset's `train`.
    """

    def __init__(self, dataset, split, feature=None):
        self.dataset = dataset
        self.split = split
        self.feature = feature

    @staticmethod
    def _get_source_type():
        return "tensorflow_datasets"

    def load(self):
        """Not supported: `benchmarks.data` reads the data."""
        raise NotImplementedError("Read it with benchmarks.data.load_task.")

    @staticmethod
    def _can_resolve(raw_source):
        return False

    @classmethod
    def _resolve(cls, raw_source):
        raise NotImplementedError

    def to_dict(self):
        return {key: value for key, value in vars(self).items() if value is not None}

    @classmethod
    def from_dict(cls, source_dict):
        return cls(**source_dict)


class Split(Dataset):
    """A split of a run's data.

    Args:
        source: `TfdsSource`.
        name: str.
        digest: str, of the whole dataset.
        schema: MLflow's `Schema` of its features.
        profile: dict of facts about it, such as its number of examples.
    """

    def __init__(self, source, name, digest, schema, profile):
        self._schema = schema
        self._profile = profile
        super().__init__(source=source, name=name, digest=digest)

    def _compute_digest(self):
        raise NotImplementedError("The digest is that of the whole dataset.")

    def to_dict(self):
        schema = json.dumps({"mlflow_colspec": self.schema.to_dict()})
        return super().to_dict() | {"schema": schema, "profile": json.dumps(self.profile)}

    @property
    def schema(self):
        return self._schema

    @property
    def profile(self):
        return self._profile


def log(config, task, dataset_digest):
    """Logs the splits of a `RunConfig` as the datasets of the active run.

    Args:
        config: `RunConfig`.
        task: the `Task`.
        dataset_digest: str, SHA-256 of the whole dataset. Its first digits are logged.
    """
    schema = Schema([_column(name, feature) for name, feature in task.features.items()])
    for split in SPLITS:
        wanted = getattr(config.splits, split)
        if wanted is None:
            continue
        count = task.data.counts.get(split)
        profile = {"licence": task.data.licence} | ({} if count is None else {"num_rows": count})
        source = TfdsSource(config.dataset, wanted, config.splits.feature)
        name = f"{config.dataset_name}, {split}"
        data = Split(source, name, dataset_digest[:DIGEST_DIGITS], schema, profile)
        mlflow.log_input(data, context=split)


def _column(name, feature):
    """The column of a schema for a feature of TensorFlow Datasets."""
    if isinstance(feature.shape, dict):
        return ColSpec(AnyType(), name)
    kinds = {"f": DataType.double, "i": DataType.long, "u": DataType.long, "b": DataType.boolean}
    kind = kinds.get(np.dtype(feature.np_dtype).kind, DataType.string)
    for _ in feature.shape:
        kind = Array(kind)
    return ColSpec(kind, name)
