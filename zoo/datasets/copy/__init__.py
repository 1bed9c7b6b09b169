"""The dataset `copy`."""
