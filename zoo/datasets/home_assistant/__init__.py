"""The dataset `home_assistant`."""
