"""What can be said about a mean over few cases: its spread, its interval, a paired test."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

RESAMPLES = 10_000
"""Bootstrap samples: the ends of a 95 % interval then vary by 1 % of its length."""

EXACT_CASES = 50
"""Up to here the distribution of the signed-rank statistic is counted, not approximated."""

Interval = tuple[float, float]


def bootstrap(values: NDArray[np.float64], *, seed: int, level: float = 0.95) -> Interval:
    """Return the percentile bootstrap interval of a mean over cases.

    Cases are drawn again, with replacement. Of fewer than ten cases the interval is too narrow
    (its 95 % are some 85 for five); of one, or of infinite values, there is none: NaN.

    Example:
        >>> low, high = bootstrap(np.array([1.0, 2.0, 3.0, 4.0]), seed=0)
        >>> low < 2.5 < high
        True
    """
    if values.size < 2 or not np.isfinite(values).all():
        return (math.nan, math.nan)
    rng = np.random.default_rng(seed)
    means = values[rng.integers(values.size, size=(RESAMPLES, values.size))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return (float(low), float(high))


def signed_rank(gain: NDArray[np.float64]) -> tuple[float, bool]:
    """Return the two-sided p of Wilcoxon's signed-rank test, and whether it is exact.

    Cases without a difference are left out, as Wilcoxon did. Of n cases no p below
    ``2 ** (1 - n)`` is possible: five cases, all better, give 0.06.

    Example:
        >>> signed_rank(np.array([0.1, 0.4, 0.2, 0.3, 0.5]))
        (0.0625, True)
    """
    gain = gain[gain != 0]
    if not gain.size:
        return (math.nan, True)
    ranked = np.clip(gain, -1e300, 1e300)  # an infinite gain is the largest, no more
    exact = gain.size <= EXACT_CASES and np.unique(np.abs(ranked)).size == gain.size
    result = stats.wilcoxon(ranked, method="exact" if exact else "approx")
    return (float(result.pvalue), exact)


def spread(values: NDArray[np.float64]) -> float:
    """Return the standard deviation over cases (n - 1); NaN of one case or infinite values."""
    known = values.size > 1 and bool(np.isfinite(values).all())
    return float(values.std(ddof=1)) if known else math.nan
