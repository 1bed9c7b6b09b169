"""The dataset `japanese_vowels`."""
