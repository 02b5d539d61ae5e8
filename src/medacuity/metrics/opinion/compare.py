"""Is a difference between two methods more than chance? Paired tests, many at once."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from medacuity.metrics.opinion.estimate import Array

EXACT = 50
"""Up to so many pairs without ties the distribution is counted, not approximated."""


def signed_rank(first: Array, second: Array) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test over pairs; NaN without differences.

    Of n pairs no p below ``2 ** (1 - n)`` is possible.

    Args:
        first: One value per case (the mean over raters), NaN where missing.
        second: The other method's, same cases.

    Shape:
        ``(cases,)``, twice.

    Example:
        >>> signed_rank(np.array([5.0, 4, 3, 5, 4]), np.array([4.0, 2.8, 1.5, 3.1, 1.9]))
        0.0625
    """
    gain = np.asarray(first, float) - np.asarray(second, float)
    # Means of the same scores in another order differ by rounding; that is no difference.
    gain = np.round(gain[np.isfinite(gain)], 9)
    gain = gain[gain != 0]
    if not gain.size:
        return math.nan
    exact = gain.size <= EXACT and np.unique(np.abs(gain)).size == gain.size
    return float(stats.wilcoxon(gain, method="exact" if exact else "approx").pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """Return p values corrected for their number (Holm, 1979); NaN stays and does not count.

    Reject where the corrected value is at most 0.05: the chance of even one false rejection
    among all of them is then at most 5 %.

    Example:
        >>> [round(value, 3) for value in holm([0.01, 0.04, 0.03])]
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * (len(order) - np.arange(len(order)))
    values[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return [float(value) for value in values]
