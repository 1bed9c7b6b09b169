"""The result of a memory problem at one gap."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Attempt:
    """The result of a memory problem at one gap.

    Attributes:
        gap: int.
        accuracy: float, on the test split.
        sequences: int, the number of training sequences used.
        seconds: float, the training time.
        out_of_time: bool, whether it was given up because it ran out of time.
    """

    gap: int
    accuracy: float
    sequences: int
    seconds: float
    out_of_time: bool = False
