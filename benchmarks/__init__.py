"""Benchmarks: run a suite of models on standard data, log it to MLflow, report it."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import zoo  # noqa: F401 - ahead of TensorFlow, whose start-up log it holds back
