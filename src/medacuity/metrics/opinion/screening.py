"""Who was not looking: raters that the recommendations would leave out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medacuity.metrics.opinion.estimate import Array, table_of

FREQUENT, ONE_SIDED = 0.05, 0.3
FAR_NORMAL, FAR_OTHER = 2.0, 20**0.5
CORRELATED = 0.75


@dataclass(frozen=True)
class KurtosisScreening:
    """The screening of ITU-R BT.500.

    Attributes:
        kept: Whether each rater stays.
        high: How often each rater was far above the others (P).
        low: How often far below (Q).
        frequent: (P + Q) / scores given; more than 0.05 is suspicious.
        one_sided: \\|P - Q\\| / (P + Q); below 0.3 the rater errs both ways. NaN if P + Q is 0.
    """

    kept: NDArray[np.bool_]
    high: Array
    low: Array
    frequent: Array
    one_sided: Array


@dataclass(frozen=True)
class CorrelationScreening:
    """A screening by correlation with the panel.

    Attributes:
        kept: Whether each rater stays.
        correlation: Pearson correlation of each rater with the mean of the panel; for those
            left out, at the moment they were.
    """

    kept: NDArray[np.bool_]
    correlation: Array


def screen_by_kurtosis(scores: Array, *, population: bool = False) -> KurtosisScreening:
    """Return which raters ITU-R BT.500 keeps: not those who are often far off on both sides.

    Far off is two standard deviations where the scores of a stimulus look normal (kurtosis from
    2 to 4), and sqrt(20) where not (BT.500-14, A1-2.3.1, as algorithm 1 of Li et al., HVEI 2020).
    A rater goes who is far off in more than 5 % of the scores, and about as often above as below
    (ratio under 0.3). One pass. If all would go, all stay.

    Args:
        scores: One row per stimulus, one column per rater; NaN where missing.
        population: Divide the variance by n, as the program sureal does, rather than by n - 1,
            as the recommendation has it. With few raters the answers can differ.

    Shape:
        ``(stimuli, raters)`` -> ``(raters,)`` each.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> careful = rng.normal(np.linspace(1, 5, 60)[:, None], 0.3, (60, 15))
        >>> careful[:, 0] = rng.uniform(1, 5, 60)
        >>> screen_by_kurtosis(careful).kept.tolist().index(False)
        0
    """
    table = table_of(scores)
    known = ~np.isnan(table)
    count = known.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = table - np.nansum(table, axis=1, keepdims=True) / count
        second, fourth = (np.nansum(off**n, axis=1, keepdims=True) / count for n in (2, 4))
        kurtosis = fourth / second**2
        sd = np.sqrt(second if population else second * count / (count - 1))
        normal = (kurtosis >= 2) & (kurtosis <= 4)  # all alike: NaN, so not normal
        far = np.where(normal, FAR_NORMAL, FAR_OTHER) * sd
        high = ((off >= far) & (sd > 0)).sum(axis=0).astype(np.float64)
        low = ((off <= -far) & (sd > 0)).sum(axis=0).astype(np.float64)
        frequent = (high + low) / known.sum(axis=0)
        one_sided = np.abs(high - low) / (high + low)
        kept = ~((frequent > FREQUENT) & (one_sided < ONE_SIDED))
    if not kept.any():
        kept[:] = True
    return KurtosisScreening(kept, high, low, frequent, one_sided)


def screen_by_correlation(scores: Array, *, least: float = CORRELATED) -> CorrelationScreening:
    """Return which raters agree with the panel: correlation with the mean of at least 0.75.

    As ITU-T P.913 and the VQEG test plans do: correlate every rater with the mean of those still
    in, leave out the worst if below ``least``, and begin again. Two raters always stay.

    Args:
        scores: One row per stimulus, one column per rater.
        least: The lowest correlation that may stay.

    Shape:
        ``(stimuli, raters)`` -> ``(raters,)`` each.

    Example:
        >>> line = np.linspace(1, 5, 9)
        >>> screen_by_correlation(np.stack([line, line, line, line[::-1]], axis=1)).kept.tolist()
        [True, True, True, False]
    """
    table = table_of(scores, raters=2)
    kept = np.ones(table.shape[1], dtype=np.bool_)
    found = np.full(table.shape[1], np.nan)
    # Who gives everything one score has no correlation, and was not looking.
    without = np.where(blind(table), -1.0, 1.0)
    while True:
        found[kept] = with_panel(table[:, kept])
        worth = np.where(np.isnan(found), without, found)
        worst = int(np.argmin(np.where(kept, worth, np.inf)))
        if worth[worst] >= least or kept.sum() <= 2:
            return CorrelationScreening(kept, found)
        kept[worst] = False


def with_panel(table: Array) -> Array:
    """Return the Pearson correlation of each rater with the panel's mean; NaN of a constant.

    Shape:
        ``(stimuli, raters)`` -> ``(raters,)``.
    """
    found = np.full(table.shape[1], np.nan)
    for i, (mine, panel) in enumerate(_beside_panel(table)):
        if mine.size > 2 and np.ptp(mine) > 0 and np.ptp(panel) > 0:
            found[i] = np.corrcoef(mine, panel)[0, 1]
    return found


def blind(table: Array) -> NDArray[np.bool_]:
    """Return which raters gave one score to stimuli that the panel found to differ.

    Shape:
        ``(stimuli, raters)`` -> ``(raters,)``.
    """
    return np.array([
        mine.size > 2 and np.ptp(mine) == 0 < np.ptp(panel) for mine, panel in _beside_panel(table)
    ], dtype=np.bool_)  # fmt: skip


def _beside_panel(table: Array) -> Iterator[tuple[Array, Array]]:
    """Yield each rater's scores, and the means of all for the same stimuli."""
    known = ~np.isnan(table)
    count = known.sum(axis=1)
    panel = np.nansum(table, axis=1) / np.where(count, count, np.nan)
    for i, column in enumerate(table.T):
        yield column[known[:, i]], panel[known[:, i]]
