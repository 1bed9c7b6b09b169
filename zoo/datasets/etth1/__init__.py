"""The dataset `etth1`."""
