"""Recognition: the fraction of words in spoken sentences that a model gets wrong."""

from benchmarks.tasks.recognition.recognition import Recognition

__all__ = ["Recognition"]
