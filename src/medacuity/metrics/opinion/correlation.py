"""Which metric tells what people see: correlation of a metric with mean opinion scores."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import Array, Estimate, bootstrap

Statistic = Callable[[Array, Array], float]

RESAMPLES = 1000


@dataclass(frozen=True)
class Association:
    """How a metric goes with opinion; each with its interval over cases.

    Attributes:
        linear: Pearson's correlation (PLCC).
        ranks: Spearman's rank correlation (SROCC).
        pairs: Kendall's rank correlation tau-b (KROCC).
        within: Of two stimuli of one case with different opinions, the share that the metric
            puts in the same order (ties half); 0.5 is chance. The metric is turned round first
            where it falls as opinion rises.
        stimuli: How many stimuli have both.
    """

    linear: Estimate
    ranks: Estimate
    pairs: Estimate
    within: Estimate
    stimuli: int


def associate(
    metric: Array, opinion: Array, case: NDArray[np.intp], *, rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Association:  # fmt: skip
    """Return how a metric goes with the mean opinion of the same stimuli.

    Cases are drawn again for the intervals, with all their stimuli: those of one case are alike
    in what makes both metric and opinion, and count as one.

    Args:
        metric: The metric's value of each stimulus; NaN where missing.
        opinion: Mean opinion score of each stimulus.
        case: 0, 1, ... by the case that each stimulus shows; all different where unknown.
        rng: The source of the bootstrap.
        resamples: How often cases are drawn again.

    Shape:
        ``(stimuli,)`` each.

    Raises:
        UsageError: Fewer than three stimuli have both.

    Example:
        >>> found = associate(np.array([20.0, 25, 31, 40]), np.array([1.0, 2, 4, 3]),
        ...                   np.arange(4), rng=np.random.default_rng(0))
        >>> round(found.ranks.value, 2), round(found.pairs.value, 2)
        (0.8, 0.67)
    """
    metric, opinion, case = np.asarray(metric, float), np.asarray(opinion, float), np.asarray(case)
    both = np.isfinite(metric) & np.isfinite(opinion)
    if both.sum() < 3:
        raise UsageError(
            "a correlation needs at least 3 stimuli with both a metric and ratings, got "
            f"{int(both.sum())}; name stimuli in both files alike"
        )
    x, y, groups = metric[both], opinion[both], case[both]
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    sign = -1.0 if spearman(x, y) < 0 else 1.0

    def over(statistic: Statistic) -> Estimate:
        """Return a statistic of all stimuli, its interval by drawing whole cases."""

        def of(drawn: NDArray[np.intp]) -> float:
            """Return the statistic of the stimuli of the cases drawn."""
            rows = np.concatenate([members[i] for i in drawn])
            return statistic(x[rows], y[rows])

        return bootstrap(of, len(members), rng=rng, resamples=resamples)

    counts = np.array([concordance(sign * x[rows], y[rows]) for rows in members])

    def inside(drawn: NDArray[np.intp]) -> float:
        """Return the share of pairs within the drawn cases that both order alike."""
        agreed, compared = counts[drawn].sum(axis=0)
        return float(agreed / compared) if compared else math.nan

    within = bootstrap(inside, len(members), rng=rng, resamples=resamples)
    return Association(over(pearson), over(spearman), over(kendall), within, len(x))


def pearson(x: Array, y: Array) -> float:
    """Return Pearson's correlation; NaN where one does not vary.

    Example:
        >>> pearson(np.array([1.0, 2, 3]), np.array([2.0, 4, 6]))
        1.0
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return min(max(float(x @ y) / size, -1.0), 1.0) if size > 0 else math.nan


def spearman(x: Array, y: Array) -> float:
    """Return Spearman's rank correlation; NaN where one does not vary."""
    return pearson(ranked(x), ranked(y))


def ranked(x: Array) -> Array:
    """Return the rank of each value, from 1; equal ones share the mean of theirs.

    Example:
        >>> ranked(np.array([3.0, 1, 3])).tolist()
        [2.5, 1.0, 2.5]
    """
    _, place, count = np.unique(x, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def kendall(x: Array, y: Array) -> float:
    """Return Kendall's tau-b; NaN where one does not vary."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    if x.size > 400:  # n log n; below, the table of signs is faster
        return float(stats.kendalltau(x, y).statistic)
    a, b = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    return float((a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum()))


def concordance(x: Array, y: Array) -> tuple[float, float]:
    """Return how many pairs with different y have x in the same order (ties half), and of how many.

    Example:
        >>> concordance(np.array([1.0, 2, 2]), np.array([1.0, 3, 2]))
        (2.5, 3.0)
    """
    upper = np.triu_indices(x.size, 1)
    a, b = (np.sign(values[upper[0]] - values[upper[1]]) for values in (x, y))
    differ = b != 0
    return float(((a * b)[differ] + 1).sum() / 2), float(differ.sum())
