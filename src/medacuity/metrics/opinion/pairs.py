"""From "which of the two is better?" to a scale: Bradley-Terry and Thurstone."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.sparse.csgraph import connected_components
from scipy.special import log_ndtr

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import Array, Estimate

Law = Callable[[Array], tuple[Array, Array, Array]]
"""Log of the probability to win by a difference in strength, its slope and its curvature."""

PRIOR = 0.5
"""Wins that are added to each side of each pair seen, when somebody won or lost everything."""


STEPS, CLOSE = 100, 1e-12
"""Newton's steps at most, and how small the last is."""


@dataclass(frozen=True)
class Strengths:
    """How strong each of the compared is, on a scale whose mean is zero.

    Attributes:
        value: Strengths; their differences give the odds (Bradley-Terry) or the normal deviate
            (Thurstone) of winning.
        covariance: Of the strengths.
        prior: How many wins were added to each side of each pair seen; 0 where none was needed.
    """

    value: Array
    covariance: Array
    prior: float = 0.0

    def estimates(self, *, level: float = 0.95) -> list[Estimate]:
        """Return the strengths with their intervals, against the mean of all."""
        return [self._interval(np.eye(len(self.value))[i], level) for i in range(len(self.value))]

    def difference(self, first: int, second: int, *, level: float = 0.95) -> Estimate:
        """Return how much stronger the first is than the second, with its interval."""
        unit = np.eye(len(self.value))
        return self._interval(unit[first] - unit[second], level)

    def p(self, first: int, second: int) -> float:
        """Return the two-sided p of "both are equally strong" (Wald)."""
        unit = np.eye(len(self.value))
        way = unit[first] - unit[second]
        error = float(np.sqrt(way @ self.covariance @ way))
        return float(2 * stats.norm.sf(abs(float(way @ self.value)) / error))

    def _interval(self, way: Array, level: float) -> Estimate:
        value = float(way @ self.value)
        error = math.sqrt(max(float(way @ self.covariance @ way), 0.0))
        half = float(stats.norm.ppf((1 + level) / 2)) * error
        return Estimate(value, value - half, value + half)


def bradley_terry(wins: Array) -> Strengths:
    """Return the strengths of Bradley & Terry (1952) by maximum likelihood.

    ``P(i beats j) = 1 / (1 + exp(-(s_i - s_j)))``. A tie is half a win for both. Where the
    likelihood has no maximum (somebody won or lost everything, or two groups never lost to one
    another), ``PRIOR`` wins are added to both sides of every pair seen, and the result says so.

    Args:
        wins: ``wins[i, j]`` is how often i was preferred to j.

    Shape:
        ``(n, n)``.

    Raises:
        UsageError: Not a square table of numbers >= 0, or two groups were never compared.

    Example:
        >>> found = bradley_terry(np.array([[0.0, 3.0], [1.0, 0.0]]))
        >>> round(float(found.value[0] - found.value[1]), 4)  # log 3
        1.0986
    """
    return _fit(wins, _logistic)


def thurstone(wins: Array) -> Strengths:
    """Return Thurstone's case V strengths by maximum likelihood: ``P(i beats j) = Phi(s_i - s_j)``.

    Ties, lopsided tables and their prior are as for :func:`bradley_terry`. In units of the
    standard deviation of a difference.

    Shape:
        ``(n, n)``.

    Example:
        >>> found = thurstone(np.array([[0.0, 84.1345], [15.8655, 0.0]]))
        >>> round(float(found.value[0] - found.value[1]), 4)
        1.0
    """
    return _fit(wins, _normal)


def wins_table(first: list[int], second: list[int], chosen: list[int], *, count: int) -> Array:
    """Return a table of wins from single choices; -1 for a tie.

    Example:
        >>> wins_table([0, 0], [1, 1], [0, -1], count=2).tolist()
        [[0.0, 1.5], [0.5, 0.0]]
    """
    wins = np.zeros((count, count))
    for a, b, best in zip(first, second, chosen, strict=True):
        for winner, loser in ((a, b), (b, a)):
            wins[winner, loser] += 0.5 if best < 0 else float(best == winner)
    return wins


def _logistic(gap: Array) -> tuple[Array, Array, Array]:
    lose = 1 / (1 + np.exp(gap))
    return -np.logaddexp(0, -gap), lose, -lose * (1 - lose)


def _normal(gap: Array) -> tuple[Array, Array, Array]:
    log = log_ndtr(gap)
    slope = np.exp(-(gap**2) / 2 - log) / np.sqrt(2 * np.pi)
    return log, slope, -slope * (slope + gap)


def _fit(wins: Array, law: Law) -> Strengths:
    table = _checked(wins)
    strong, _ = connected_components(table > 0, connection="strong")
    prior = PRIOR if strong > 1 else 0.0
    table = table + prior * ((table + table.T) > 0)
    s = _strongest(table, law)
    covariance = np.asarray(np.linalg.pinv(_information(s, table, law)), dtype=np.float64)
    return Strengths(s - s.mean(), covariance, prior)


def _strongest(table: Array, law: Law) -> Array:
    """Return the strengths of the greatest likelihood: Newton's steps, halved where too long."""
    s, best = np.zeros(len(table)), -np.inf
    for _ in range(STEPS):
        log, slope, _ = law(s[:, None] - s[None, :])
        best, pull = float((table * log).sum()), table * slope
        step = np.linalg.pinv(_information(s, table, law)) @ (pull.sum(axis=1) - pull.sum(axis=0))
        if np.abs(step).max() < CLOSE:
            break
        while _likelihood(s + step, table, law) < best and np.abs(step).max() > CLOSE:
            step = step / 2
        s = s + step
    return s


def _likelihood(s: Array, table: Array, law: Law) -> float:
    return float((table * law(s[:, None] - s[None, :])[0]).sum())


def _information(s: Array, table: Array, law: Law) -> Array:
    """Return Fisher's information, observed: minus the second derivative of the likelihood."""
    _, _, bend = law(s[:, None] - s[None, :])
    weight = -(table * bend)
    weight = weight + weight.T
    return np.asarray(np.diag(weight.sum(axis=1)) - weight)


def _checked(wins: Array) -> Array:
    table = np.array(wins, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2 or table.shape[0] != table.shape[1]:
        raise UsageError(f"wins are a square table of at least two, got shape {table.shape}")
    np.fill_diagonal(table, 0)
    if not np.isfinite(table).all() or (table < 0).any():
        raise UsageError("wins are finite numbers >= 0, got others; leave out what was not seen")
    groups, _ = connected_components(table, connection="weak")
    if groups > 1:
        raise UsageError(
            f"all must be linked by comparisons, got {groups} groups without any between them; "
            "compare across the groups, or analyse each by itself"
        )
    return table
