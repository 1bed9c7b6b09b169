"""The dataset `spoken_digit_strings`."""
