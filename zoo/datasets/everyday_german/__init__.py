"""The dataset `everyday_german`."""
