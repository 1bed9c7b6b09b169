"""The dataset `multi30k`."""
