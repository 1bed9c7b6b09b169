"""Memory: how long a gap an architecture learns to bridge, on generated problems."""

from benchmarks.tasks.memory.memory import Memory

__all__ = ["Memory"]
