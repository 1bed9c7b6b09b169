"""Translator: text in, text in another language out."""
