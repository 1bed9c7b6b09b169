"""The dataset `m3_monthly`."""
