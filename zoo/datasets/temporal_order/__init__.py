"""The dataset `temporal_order`."""
