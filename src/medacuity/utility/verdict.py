"""What may be said of a difference between arms: its size, its interval, and which word."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medacuity.errors import UsageError

FEWEST = 3
"""Seeds from which on there is a verdict: two tell hardly anything of a spread."""

LEVEL = 0.95
POINTS = 100  # scores from 0 to 1 are told in points of a hundred

Word = Literal["better", "worse", "no difference shown", "no verdict"]


@dataclass(frozen=True)
class Difference:
    """How much higher one arm scores than another, over seeds, in pairs.

    Args:
        mean: Of the differences; not in points.
        low: Lower end of the 95 % interval of the mean; NaN where there is none.
        high: Its upper end.
        p_t: Two-sided, of the paired t test: below 0.05 exactly where the interval leaves out 0.
        p_rank: Two-sided, of Wilcoxon's signed-rank test; of n seeds never below ``2 ** (1 - n)``.
        seeds: Pairs.
    """

    mean: float
    low: float
    high: float
    p_t: float
    p_rank: float
    seeds: int

    @property
    def word(self) -> Word:
        """What may be said: never "better" while the interval holds zero."""
        if math.isnan(self.low):
            return "no verdict"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no difference shown"

    @property
    def brief(self) -> str:
        """The word and the points, for a table."""
        if self.word == "no verdict":
            return self.word
        low, high = POINTS * self.low, POINTS * self.high
        gain = f"{POINTS * self.mean:+.1f} ({low:+.1f} to {high:+.1f})"
        return f"{self.word}: {gain}, p {self.p_t:.2g}"

    @property
    def sentence(self) -> str:
        """The word, the points and their interval, or why there is no word.

        Example:
            >>> compare([0.62, 0.66, 0.61], [0.61, 0.63, 0.62]).sentence
            'no difference shown: +1.0 points (-4.0 to +6.0), p 0.48, 3 seeds'
        """
        points = f"{POINTS * self.mean:+.1f} points"
        if self.word != "no verdict":
            low, high = POINTS * self.low, POINTS * self.high
            interval = f"({low:+.1f} to {high:+.1f}), p {self.p_t:.2g}"
            return f"{self.word}: {points} {interval}, {self.seeds} seeds"
        if self.seeds < FEWEST:
            return f"no verdict: {self.seeds} seeds; it takes {FEWEST} or more"
        return f"no verdict: {points} with every seed, which tells no spread"


def compare(scores: Sequence[float], others: Sequence[float]) -> Difference:
    """Compare two arms seed by seed.

    The interval is Student's, over seeds: it speaks for other draws of training data and other
    starts, not for other test cases, which stay the same.

    Args:
        scores: Of the arm that may be better, by seed.
        others: Of the other arm with the same seeds, in the same order.

    Raises:
        UsageError: They are not as many, or one is not finite.
    """
    if len(scores) != len(others):
        raise UsageError(f"arms are compared in pairs, got {len(scores)} and {len(others)} scores")
    gain = np.subtract(scores, others, dtype=np.float64)
    if not np.isfinite(gain).all():
        raise UsageError("scores must be finite to be compared")
    mean = float(gain.mean()) if gain.size else math.nan
    low, high, p = _student(gain)
    return Difference(mean, low, high, p, _ranked(gain), gain.size)


def _student(gain: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the interval of a mean and the p of its being zero; NaN where nothing tells them."""
    if gain.size < FEWEST:
        return math.nan, math.nan, math.nan
    if np.ptp(gain) <= 1e-12:  # every seed says the same: no difference, or no spread
        return (0.0, 0.0, 1.0) if np.abs(gain).max() <= 1e-12 else (math.nan, math.nan, math.nan)
    error = float(gain.std(ddof=1)) / math.sqrt(gain.size)
    half = float(stats.t.ppf((1 + LEVEL) / 2, gain.size - 1)) * error
    mean = float(gain.mean())
    p = 2 * float(stats.t.sf(abs(mean) / error, gain.size - 1))
    return mean - half, mean + half, p


def _ranked(gain: NDArray[np.float64]) -> float:
    differing = gain[np.abs(gain) > 1e-12]
    if gain.size < FEWEST or not differing.size:
        return math.nan
    exact = np.unique(np.abs(differing).round(12)).size == differing.size
    return float(stats.wilcoxon(differing, method="exact" if exact else "approx").pvalue)
