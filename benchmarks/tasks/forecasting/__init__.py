"""Forecasting: predicts the next values of series."""

from benchmarks.tasks.forecasting.forecasting import Forecasting

__all__ = ["Forecasting"]
