"""Tests of the dataset `etth2`; more are in tests/datasets/test_ett_builder.py."""

from zoo.datasets import testing
from zoo.datasets.etth2 import etth2_dataset_builder as module


class ETTh2Test(testing.EttTest):
    DATASET_CLASS = module.Builder
