"""The dataset `rotten_tomatoes`."""
