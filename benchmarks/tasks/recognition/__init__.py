"""Recognition: how many words of spoken sentences a model gets wrong."""

from benchmarks.tasks.recognition.recognition import Recognition

__all__ = ["Recognition"]
