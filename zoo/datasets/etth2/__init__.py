"""The dataset `etth2`."""
