"""Overlapping windows of a sequence that arrives in pieces."""

import numpy as np


class Windows:
    """Joins pieces of a sequence into windows, from each of which the next steps can be computed.

    Step k of the result, such as a frame, depends on the items `step * k - before` to
    `step * k + after - 1`, such as samples.

    Args:
        step, before, after: int, items.
    """

    def __init__(self, step: int, before: int, after: int) -> None:
        self.step = step
        self.after = after
        self.context = -(-before // step)  # steps
        self._items: np.ndarray | None = None
        self._known = 0  # steps at the beginning of the window that are only context

    def read(
        self, piece: np.ndarray, is_last: bool = False
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Adds a piece.

        Args:
            piece: array `[items, ...]`, which may be empty.
            is_last: bool, whether the sequence ends.

        Returns:
            `(window, span)`, or None if the piece completes no step: the array of items
            `[items, ...]` since the first on which the new steps depend, and int32 `[first, end]`,
            the new steps among those of the window.
        """
        window = piece if self._items is None else np.concatenate([self._items, piece])
        end = (len(window) - self.after) // self.step + 1
        if is_last:
            end = -(-len(window) // self.step)
        first, skipped = self._known, max(0, end - self.context)
        if end <= first:
            self._items = window
            return None
        self._items = window[self.step * skipped :]
        self._known = end - skipped
        return window, np.array([first, end], "int32")
