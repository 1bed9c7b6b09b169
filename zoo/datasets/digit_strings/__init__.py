"""The dataset `digit_strings`."""
