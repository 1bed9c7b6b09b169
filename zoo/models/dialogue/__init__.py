"""Dialogue: a conversation in, the reply out."""
