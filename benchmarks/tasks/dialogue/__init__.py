"""Dialogue: how well a model replies, and how far back in a conversation it looks."""

from benchmarks.tasks.dialogue.dialogue import Dialogue

__all__ = ["Dialogue"]
