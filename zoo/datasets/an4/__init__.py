"""The dataset `an4`."""
