"""A number and the interval that the truth lies in, 95 times out of 100."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medacuity.errors import UsageError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; the ends are NaN where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    def has(self, truth: float) -> bool:
        """Return whether the interval covers a value."""
        return self.low <= truth <= self.high


UNKNOWN = Estimate(math.nan)
"""What cannot be computed from so few ratings."""


def table_of(scores: Array, *, raters: int = 1) -> Array:
    """Return a table of scores as numbers, or say what is wrong with it.

    Raises:
        UsageError: It is not a table, has too few raters, or a score is infinite.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < raters:
        raise UsageError(
            f"scores are a table of stimuli by raters with at least 1 row and {raters} columns, "
            f"got shape {table.shape}; put stimuli in rows, raters in columns"
        )
    if np.isinf(table).any():
        raise UsageError("scores are finite numbers, or NaN where missing; got infinity")
    return table


def by_t(mean: float, error: float, degrees: float, *, level: float = 0.95) -> Estimate:
    """Return a mean with its interval by Student's t.

    Example:
        >>> found = by_t(4.0, 0.1, 25)
        >>> round(found.high - found.value, 4)
        0.206
    """
    if not (math.isfinite(error) and degrees > 0):
        return Estimate(mean)
    half = error * float(stats.t.ppf((1 + level) / 2, degrees))
    return Estimate(mean, mean - half, mean + half)


def by_samples(value: float, samples: Array, *, level: float = 0.95) -> Estimate:
    """Return a value with the percentile interval of its bootstrap samples.

    Samples without a value (all ratings alike) are left out; where they are more than half,
    there is no interval.
    """
    known = samples[np.isfinite(samples)]
    if known.size * 2 < samples.size or known.size < 2:
        return Estimate(value)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(value, float(low), float(high))


def draws(count: int, rng: np.random.Generator, *, resamples: int) -> Array:
    """Return how often each of some things is drawn when as many are drawn with replacement.

    Shape:
        -> ``(resamples, count)``; every row sums to ``count``.
    """
    shares = np.full(count, 1 / count)
    return rng.multinomial(count, shares, size=resamples).astype(np.float64)


def bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    count: int,
    *,
    rng: np.random.Generator,
    resamples: int = 1000,
) -> Estimate:
    """Return a statistic of things 0 to count - 1, with its percentile bootstrap interval.

    Args:
        statistic: Takes the indices of the things drawn.
        count: How many things there are.
        rng: The source of randomness.
        resamples: How often they are drawn again.
    """
    value = statistic(np.arange(count))
    samples = [statistic(rng.integers(count, size=count)) for _ in range(resamples)]
    return by_samples(value, np.array(samples))
