"""The dataset `daily_dialog`."""
