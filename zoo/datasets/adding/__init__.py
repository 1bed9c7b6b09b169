"""The dataset `adding`."""
