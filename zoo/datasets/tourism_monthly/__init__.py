"""The dataset `tourism_monthly`."""
