"""The dataset `m4_hourly`."""
