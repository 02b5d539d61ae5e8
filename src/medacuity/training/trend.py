"""The recent level of a number that jumps about, and what it has usually been."""

import math
from statistics import median
from typing import Any

WINDOW = 50  # steps a level is the median of: half of them may be outliers
MEMORY = 1000  # steps that what is usual looks back over


class Trend:
    """Follow the level of a number: the median of its last 50 values.

    Attributes:
        recent: The last values.
        level: Their median; None while they are few.
        first: The first level there was; None until there is one.
        lowest: The lowest level.
        spread: Robust standard deviation of the values when the level was lowest.
        usual: Average of the logarithm of the levels over the last thousand steps.
    """

    def __init__(self) -> None:
        self.recent: list[float] = []
        self.level: float | None = None
        self.first: float | None = None
        self.lowest = math.inf
        self.spread = 0.0
        self.usual = 0.0

    def add(self, value: float) -> None:
        """Take in the number of one step."""
        self.recent = [*self.recent[1 - WINDOW :], value]
        if len(self.recent) < WINDOW:
            return
        self.level = level = median(self.recent)
        size = math.log(max(abs(level), 1e-30))
        if self.first is None:
            self.first, self.usual = level, size
        self.usual += (size - self.usual) / MEMORY
        if level < self.lowest:
            self.lowest = level
            self.spread = 1.4826 * median(abs(x - level) for x in self.recent)

    @property
    def typical(self) -> float:
        """Return the size it had at first, or the size it usually has, if that is larger."""
        return max(abs(self.first or 0.0), math.exp(self.usual)) if self.first is not None else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next level depends on."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        vars(self).update(state)
