"""Labels and their positions in the output of connectionist temporal classification (CTC)."""

from collections.abc import Sequence

import numpy as np


def greedy_labels(log_probabilities: np.ndarray) -> list[int]:
    """The labels of the likeliest path: repetitions are merged, then blanks removed.

    Args:
        log_probabilities: float array `[steps, 1 + labels]`, blank first.

    Returns:
        A list of int.
    """
    path = log_probabilities.argmax(axis=-1)
    is_new = np.concatenate([[True], path[1:] != path[:-1]]) if len(path) else path
    return [int(label) for label in path[is_new & (path > 0)]]


def align(log_probabilities: np.ndarray, labels: Sequence[int]) -> list[tuple[int, int]]:
    """The steps of each label on the likeliest path that spells them: CTC's forced alignment.

    Viterbi's algorithm over the labels with blanks between them (A. Graves et al., "Connectionist
    Temporal Classification", ICML 2006, section 4.1, with maxima instead of sums).

    Args:
        log_probabilities: float array `[steps, 1 + labels]`, blank first.
        labels: list of int from 1.

    Returns:
        A list of pairs of the first step of each label and the step after its last.

    Raises:
        ValueError: there are too few steps for the labels.
    """
    if not labels:
        return []
    extended = np.zeros(2 * len(labels) + 1, int)
    extended[1::2] = labels
    count, steps = len(extended), len(log_probabilities)
    may_skip = np.zeros(count, bool)  # the blank between two different labels
    may_skip[3::2] = extended[3::2] != extended[1:-2:2]
    scores = np.full(count, -np.inf)
    came_from = np.zeros((steps, count), int)
    for step in range(steps):
        if step:
            stay = scores
            move = np.concatenate([[-np.inf], scores[:-1]])
            skip = np.where(may_skip, np.concatenate([[-np.inf] * 2, scores[:-2]]), -np.inf)
            choices = np.stack([stay, move, skip])
            came_from[step] = choices.argmax(axis=0)
            scores = choices.max(axis=0)
        else:
            scores[:2] = 0
        scores = scores + log_probabilities[step, extended]
    place = count - 1 if scores[-1] >= scores[-2] else count - 2
    if not np.isfinite(scores[place]):
        raise ValueError(f"{steps} steps are too few for {len(labels)} labels.")
    ends = np.zeros((len(labels), 2), int)
    for step in reversed(range(steps)):
        if place % 2:
            label = place // 2
            ends[label, 0] = step
            ends[label, 1] = max(ends[label, 1], step + 1)
        place -= came_from[step, place]
    return [(int(first), int(after)) for first, after in ends]
