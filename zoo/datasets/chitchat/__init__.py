"""The dataset `chitchat`."""
