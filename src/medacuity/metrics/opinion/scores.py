"""Mean opinion scores: MOS and DMOS with their intervals, one per stimulus."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import Array, Estimate, table_of

NORMAL = 1.96
"""Half a 95 % interval in standard errors, as BT.500 has it; t is wider, and right for few."""


@dataclass(frozen=True)
class Scores:
    """The mean opinion of each stimulus; NaN where there are too few ratings to say.

    Attributes:
        mean: Means over raters.
        sd: Standard deviations over raters (n - 1).
        count: How many rated it.
        low: Lower ends of the intervals.
        high: Upper ends.
    """

    mean: Array
    sd: Array
    count: Array
    low: Array
    high: Array

    @property
    def error(self) -> Array:
        """Standard errors of the means."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.sd / np.sqrt(self.count))

    def __getitem__(self, row: int) -> Estimate:
        return Estimate(float(self.mean[row]), float(self.low[row]), float(self.high[row]))


def mos(scores: Array, *, level: float = 0.95, normal: bool = False) -> Scores:
    """Return the mean opinion score of each stimulus.

    The interval is Student's: ``mean +- t s / sqrt(n)`` over the n raters that saw the stimulus.
    With ``normal`` it is ``mean +- 1.96 s / sqrt(n)``, as in ITU-R BT.500 and in sureal; with
    five raters that is too narrow by 29 %.

    Args:
        scores: One row per stimulus, one column per rater; NaN where missing.
        level: How much the interval covers.
        normal: Take the normal distribution instead of Student's.

    Shape:
        ``(stimuli, raters)`` -> ``(stimuli,)`` each.

    Raises:
        UsageError: ``scores`` is not a table of finite numbers.

    Example:
        >>> found = mos(np.array([[5.0, 4.0, 5.0, 4.0], [1.0, 2.0, 1.0, np.nan]]))
        >>> found.mean.round(3).tolist(), found.count.tolist()
        ([4.5, 1.333], [4.0, 3.0])
    """
    table = table_of(scores)
    count = (~np.isnan(table)).sum(axis=1).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.nansum(table, axis=1) / np.where(count, count, np.nan)
        squares = np.nansum((table - mean[:, None]) ** 2, axis=1)
        sd = np.sqrt(squares / np.where(count > 1, count - 1, np.nan))
        factor = stats.norm.ppf((1 + level) / 2) if normal else _student(count, level)
        if normal and level == 0.95:
            factor = NORMAL
        half = factor * sd / np.sqrt(count)
    return Scores(mean, sd, count, mean - half, mean + half)


def _student(count: Array, level: float) -> Array:
    degrees = np.where(count > 1, count - 1, np.nan)
    return np.asarray(stats.t.ppf((1 + level) / 2, degrees))


def dmos(scores: Array, reference: Array, *, best: float, level: float = 0.95) -> Scores:
    """Return the differential opinion score of each stimulus against its (hidden) reference.

    Each rater's score is taken relative to what the same rater gave the reference, and put where
    a flawless stimulus would be: ``score - reference + best``, as ITU-T P.910 has it for ACR-HR.
    Values above ``best`` (better than the reference) are kept as they are.

    Args:
        scores: One row per stimulus, one column per rater.
        reference: What the same rater gave the reference of the same stimulus.
        best: The best score of the scale, 5 for ACR.
        level: How much the interval covers.

    Shape:
        ``(stimuli, raters)``, twice -> ``(stimuli,)`` each.

    Raises:
        UsageError: The two tables differ in shape.

    Example:
        >>> dmos(np.array([[4.0, 3.0]]), np.array([[5.0, 4.0]]), best=5).mean.tolist()
        [4.0]
    """
    scores, reference = table_of(scores), table_of(reference)
    if scores.shape != reference.shape:
        raise UsageError(
            "scores and references are tables of the same shape, one reference score per score; "
            f"got {scores.shape} and {reference.shape}"
        )
    return mos(scores - reference + best, level=level)
