"""How often somebody may ask: a bucket of tokens each, refilled with time."""

import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 50_000
"""Buckets kept; the one unused longest goes first, and would be full again by then."""


class Limit:
    """Allow ``burst`` requests at once and ``rate`` a second in the long run, per key.

    Args:
        rate: Tokens a second.
        burst: Tokens in a full bucket.
        clock: Seconds that never go back.

    Example:
        >>> limit = Limit(1.0, 2, clock=lambda: 0.0)
        >>> [limit.take("someone") for _ in range(3)]
        [True, True, False]
    """

    def __init__(
        self, rate: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self.clock = rate, burst, clock
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str) -> bool:
        """Take a token; False where there is none."""
        left = self._left(key)
        if left >= 1:
            self._put(key, left - 1)
        return left >= 1

    def empty(self, key: str) -> bool:
        """Tell whether there is no token to take."""
        return self._left(key) < 1

    @property
    def pause(self) -> int:
        """Seconds after which there is a token again."""
        return max(1, round(1 / self.rate))

    def _left(self, key: str) -> float:
        left, at = self.buckets.get(key, (float(self.burst), self.clock()))
        return min(float(self.burst), left + (self.clock() - at) * self.rate)

    def _put(self, key: str, left: float) -> None:
        self.buckets[key] = (left, self.clock())
        self.buckets.move_to_end(key)
        while len(self.buckets) > MOST:
            self.buckets.popitem(last=False)
