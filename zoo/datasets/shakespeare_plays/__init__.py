"""The dataset `shakespeare_plays`."""
