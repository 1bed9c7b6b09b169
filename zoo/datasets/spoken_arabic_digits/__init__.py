"""The dataset `spoken_arabic_digits`."""
