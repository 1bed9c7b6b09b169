"""Tests of the dataset `etth1`; more are in tests/datasets/test_ett_builder.py."""

from zoo.datasets import testing
from zoo.datasets.etth1 import etth1_dataset_builder as module


class ETTh1Test(testing.EttTest):
    DATASET_CLASS = module.Builder
