"""Benchmarks: run a suite of models on standard data, log it to MLflow, report it."""
