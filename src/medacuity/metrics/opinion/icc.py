"""Intraclass correlation: how much of the spread of scores is the stimuli's, not the raters'."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import UNKNOWN, Array, Estimate, table_of

ROUNDING = 1e-12
"""What part of all squares may come from rounding alone."""


@dataclass(frozen=True)
class MeanSquares:
    """The two-way analysis of variance of a complete table: rows are stimuli.

    Attributes:
        rows: Mean square between stimuli (MSR, or BMS in Shrout & Fleiss).
        columns: Mean square between raters (MSC, JMS); 0 of one rater.
        within: Mean square within stimuli (MSW, WMS).
        left: Residual mean square (MSE, EMS).
        stimuli: How many stimuli.
        raters: How many raters.
    """

    rows: float
    columns: float
    within: float
    left: float
    stimuli: int
    raters: int


@dataclass(frozen=True)
class ICC:
    """The six forms of Shrout & Fleiss (1979), each with its interval.

    ``one`` is for raters drawn anew for each stimulus, ``two`` for raters who stand for others
    (absolute agreement), ``three`` for these raters alone (consistency). The first of a pair
    says what one rater's score is worth, the second what the mean of all raters is worth: minus
    infinity where stimuli differ less than raters do by chance, so that there is nothing to say.

    Attributes:
        one: ICC(1,1).
        one_mean: ICC(1,k).
        two: ICC(2,1).
        two_mean: ICC(2,k).
        three: ICC(3,1).
        three_mean: ICC(3,k).
        stimuli: How many stimuli were complete; the others are left out.
        raters: How many raters, k.
    """

    one: Estimate
    one_mean: Estimate
    two: Estimate
    two_mean: Estimate
    three: Estimate
    three_mean: Estimate
    stimuli: int
    raters: int


def mean_squares(table: Array) -> MeanSquares:
    """Return the two-way analysis of variance of a complete table.

    Shape:
        ``(stimuli, raters)``, without NaN.
    """
    n, k = table.shape
    mean = table.mean()
    rows = k * float(((table.mean(axis=1) - mean) ** 2).sum())
    columns = n * float(((table.mean(axis=0) - mean) ** 2).sum())
    total = float(((table - mean) ** 2).sum())
    rows, columns, within, left = (
        part if part > ROUNDING * total else 0.0
        for part in (rows, columns, total - rows, total - rows - columns)
    )
    degrees = (n - 1) * (k - 1)
    return MeanSquares(
        rows / (n - 1), columns / (k - 1) if k > 1 else 0.0, within / max(n * (k - 1), 1),
        left / max(degrees, 1), n, k,
    )  # fmt: skip


def complete(scores: Array) -> Array:
    """Return the rows of a table that have no gap."""
    table = table_of(scores)
    return np.asarray(table[~np.isnan(table).any(axis=1)])


def icc(scores: Array, *, level: float = 0.95) -> ICC:
    """Return the six intraclass correlations of Shrout & Fleiss, with intervals.

    The intervals of ICC(1) and ICC(3) are exact where scores are normal; that of ICC(2) is
    Satterthwaite's approximation, as in the paper (Psychological Bulletin 86, 1979, 420-428).

    Args:
        scores: One row per stimulus, one column per rater; rows with a gap are left out.
        level: How much the intervals cover.

    Shape:
        ``(stimuli, raters)``.

    Raises:
        UsageError: Fewer than two complete stimuli or two raters, or all scores are the same.

    Example:
        >>> paper = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9],
        ...          [6, 2, 4, 7]]
        >>> found = icc(np.array(paper, float))
        >>> [round(form.value, 2) for form in (found.one, found.two, found.three)]
        [0.17, 0.29, 0.71]
    """
    table = complete(scores)
    if table.shape[0] < 2 or table.shape[1] < 2:
        raise UsageError(
            "an intraclass correlation needs at least 2 stimuli that at least 2 raters have all "
            f"rated, got {table.shape[0]} and {table.shape[1]}; leave out raters with gaps"
        )
    if np.ptp(table) == 0:
        raise UsageError(
            f"an intraclass correlation needs scores that differ, got {table[0, 0]:g} only; there "
            "is nothing to agree on"
        )
    squares = mean_squares(table)
    ends = ((1 + level) / 2, (1 - level) / 2)
    one, one_mean = _one(squares, ends)
    two, two_mean = _two(squares, ends)
    three, three_mean = _three(squares, ends)
    return ICC(one, one_mean, two, two_mean, three, three_mean, *table.shape)


def _one(ms: MeanSquares, ends: tuple[float, float]) -> tuple[Estimate, Estimate]:
    n, k = ms.stimuli, ms.raters
    ratio = _divide(ms.rows, ms.within)
    low = ratio / stats.f.ppf(ends[0], n - 1, n * (k - 1))
    high = ratio * stats.f.ppf(ends[0], n * (k - 1), n - 1)
    return _single(ratio, low, high, k), _average(ratio, low, high)


def _three(ms: MeanSquares, ends: tuple[float, float]) -> tuple[Estimate, Estimate]:
    n, k = ms.stimuli, ms.raters
    degrees = (n - 1) * (k - 1)
    ratio = _divide(ms.rows, ms.left)
    low = ratio / stats.f.ppf(ends[0], n - 1, degrees)
    high = ratio * stats.f.ppf(ends[0], degrees, n - 1)
    return _single(ratio, low, high, k), _average(ratio, low, high)


def _two(ms: MeanSquares, ends: tuple[float, float]) -> tuple[Estimate, Estimate]:
    n, k = ms.stimuli, ms.raters
    if ms.rows == 0 == ms.left:  # every rater says one thing only
        return Estimate(0.0), Estimate(0.0)
    below = ms.rows + (k - 1) * ms.left + k * (ms.columns - ms.left) / n
    if below <= ROUNDING * (ms.rows + ms.left):
        return UNKNOWN, UNKNOWN
    value = (ms.rows - ms.left) / below
    alone = Estimate(value), Estimate(_stepped(value, k))
    a = k * value / (n * (1 - value)) if value < 1 else np.inf
    b = 1 + k * value * (n - 1) / (n * (1 - value)) if value < 1 else np.inf
    if not np.isfinite(a) or ms.left == 0 == ms.columns:
        return Estimate(value, value, value), Estimate(value, value, value)
    degrees = _divide(
        (a * ms.columns + b * ms.left) ** 2,
        (a * ms.columns) ** 2 / (k - 1) + (b * ms.left) ** 2 / ((n - 1) * (k - 1)),
    )
    if not 0 < degrees < np.inf:
        return alone
    down = float(stats.f.ppf(ends[0], n - 1, degrees))
    up = float(stats.f.ppf(ends[0], degrees, n - 1))
    others = k * ms.columns + (k * n - k - n) * ms.left
    if not (np.isfinite(down) and np.isfinite(up)) or others + ms.rows <= 0:
        return alone
    low = n * (ms.rows - down * ms.left) / (down * others + n * ms.rows)
    high = n * (up * ms.rows - ms.left) / (others + n * up * ms.rows)
    return (
        Estimate(value, low, high),
        Estimate(_stepped(value, k), _stepped(low, k), _stepped(high, k)),
    )


def _single(ratio: float, low: float, high: float, k: int) -> Estimate:
    one, two, three = (
        float((f - 1) / (f + k - 1)) if np.isfinite(f) else 1.0 for f in (ratio, low, high)
    )
    return Estimate(one, two, three)


def _average(ratio: float, low: float, high: float) -> Estimate:
    one, two, three = (float(1 - 1 / f) if f else -np.inf for f in (ratio, low, high))
    return Estimate(one, two, three)


def _stepped(single: float, k: int) -> float:
    """Return what the mean of k raters is worth when one is worth that (Spearman & Brown)."""
    below = 1 + (k - 1) * single
    return k * single / below if below > ROUNDING else -np.inf


def _divide(above: float, below: float) -> float:
    return above / below if below > 0 else np.inf
