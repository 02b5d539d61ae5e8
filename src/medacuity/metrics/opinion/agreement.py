"""Do raters agree, with each other and with themselves? Alpha, weighted kappa, repeats."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import (
    Array,
    Estimate,
    by_samples,
    draws,
    table_of,
)

RESAMPLES, PAIRS = 1000, 500


@dataclass(frozen=True)
class Consistency:
    """How a rater repeats: first score against the second of the same stimulus.

    Attributes:
        pairs: How many stimuli were rated twice.
        same: Share of pairs with the same score.
        drift: Mean of second minus first.
        error: Within-rater standard deviation, ``sqrt(mean(difference ** 2) / 2)``.
        kappa: Weighted kappa (squared weights) of first and second; NaN if all are alike.
    """

    pairs: int
    same: float
    drift: float
    error: float
    kappa: float

    @property
    def repeatability(self) -> float:
        """The difference that 95 % of repeats stay under (Bland & Altman): 1.96 sqrt(2) error."""
        return 1.96 * math.sqrt(2) * self.error


def alpha(
    scores: Array, *, rng: np.random.Generator, ordinal: bool = True, resamples: int = RESAMPLES
) -> Estimate:
    """Return Krippendorff's alpha: 1 is agreement, 0 is what dice would do; gaps are allowed.

    Ordinal data go through the package ``krippendorff``; of interval data, where every score may
    be another number, sums are enough. The interval is by drawing stimuli again.

    Args:
        scores: One row per stimulus, one column per rater; NaN where missing.
        rng: The source of the bootstrap.
        ordinal: Scores have an order but no distances; otherwise they have (interval data).
        resamples: How often stimuli are drawn again.

    Shape:
        ``(stimuli, raters)``.

    Raises:
        UsageError: No stimulus has two scores, or all scores are the same.

    Example:
        >>> table = np.array([[1, 1], [2, 2], [3, 3], [3, 2.0]])
        >>> round(alpha(table, rng=np.random.default_rng(0)).value, 3)
        0.79
    """
    from krippendorff import alpha as krippendorff

    table = _shared(scores)
    weights = draws(len(table), rng, resamples=resamples)
    if not ordinal:
        value = float(interval_alphas(table, np.ones((1, len(table))))[0])
        return by_samples(value, interval_alphas(table, weights))
    counts, values = value_counts(table)

    def of(rows: NDArray[np.float64]) -> float:
        """Return ordinal alpha of counts ``(stimuli, values)``; NaN where nothing is shared."""
        used = rows.any(axis=0)
        if used.sum() < 2 or (rows.sum(axis=1) < 2).all():
            return math.nan
        found = krippendorff(
            value_counts=rows[:, used], value_domain=values[used], level_of_measurement="ordinal"
        )
        return float(found)

    rows = np.arange(len(counts))
    samples = np.array([of(counts[np.repeat(rows, times)]) for times in weights.astype(np.intp)])
    return by_samples(of(counts), samples)


def interval_alphas(table: Array, weights: Array) -> Array:
    """Return alpha of interval data when each stimulus counts so often, from sums alone.

    Args:
        table: One row per stimulus with at least two scores, one column per rater.
        weights: How often each stimulus counts.

    Shape:
        ``(stimuli, raters)``, ``(samples, stimuli)`` -> ``(samples,)``.
    """
    table = table - np.nanmean(table)  # so that squares keep their digits
    many = (~np.isnan(table)).sum(axis=1)
    total, square = np.nansum(table, axis=1), np.nansum(table**2, axis=1)
    inside = (many * square - total**2) / (many - 1)
    n, whole, squares = weights @ many, weights @ total, weights @ square
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1 - (weights @ inside) * (n - 1) / (n * squares - whole**2))


def value_counts(table: Array) -> tuple[NDArray[np.float64], Array]:
    """Return how often each value was given to each stimulus, and the values.

    Shape:
        ``(stimuli, raters)`` -> ``(stimuli, values)``, ``(values,)``.
    """
    values = np.unique(table[~np.isnan(table)])
    counts = np.stack([(table == value).sum(axis=1) for value in values], axis=1)
    return counts.astype(np.float64), values


def _shared(scores: Array) -> Array:
    """Return the rows with at least two scores, or say that there is nothing to agree on."""
    table = table_of(scores, raters=2)
    table = table[(~np.isnan(table)).sum(axis=1) > 1]
    different = np.unique(table[~np.isnan(table)]).size
    if different < 2:
        raise UsageError(
            "agreement needs stimuli with at least two scores, and scores that differ; got "
            f"{different} different; more raters must see the same stimuli"
        )
    return np.asarray(table)


def kappa(
    scores: Array, *, rng: np.random.Generator, squared: bool = True, resamples: int = RESAMPLES
) -> Estimate:
    """Return the weighted kappa of two raters, or the mean over all pairs of more (Light, 1971).

    Disagreement weighs by its square (or its size), as in Cohen (1968); 1 is agreement and 0 what
    the raters' own habits would bring by chance. Pairs with fewer than two common stimuli do not
    count. The interval is by drawing stimuli again.

    Args:
        scores: One row per stimulus, one column per rater; NaN where missing.
        rng: The source of the bootstrap.
        squared: Weigh by the square of the difference; otherwise by the difference.
        resamples: How often stimuli are drawn again.

    Shape:
        ``(stimuli, raters)``.

    Example:
        >>> table = np.array([[1, 1], [2, 2], [3, 3], [3, 2.0]])
        >>> round(kappa(table, rng=np.random.default_rng(0)).value, 3)
        0.8
    """
    table = table_of(scores, raters=2)
    above = np.triu_indices(table.shape[1], 1)

    def of(weights: Array) -> float:
        """Return the mean kappa of all pairs of raters, stimuli counted by weights."""
        pairs = kappas(table, weights, squared=squared)[above]
        known = pairs[np.isfinite(pairs)]
        return float(known.mean()) if known.size else math.nan

    # A panel of hundreds has so many pairs that fewer draws are as good.
    fewer = min(resamples, max(100, PAIRS * resamples // above[0].size))
    weights = draws(len(table), rng, resamples=fewer)
    return by_samples(of(np.ones(len(table))), np.array([of(w) for w in weights]))


def kappas(table: Array, weights: Array, *, squared: bool = True) -> Array:
    """Return the weighted kappa of every pair of raters, each stimulus counting so often.

    Both kinds of disagreement are sums of products of columns: squares directly, sizes as the
    number of thresholds that lie between two scores. So all pairs cost a few matrix products.

    Shape:
        ``(stimuli, raters)``, ``(stimuli,)`` -> ``(raters, raters)``.
    """
    known = (~np.isnan(table)).astype(np.float64)
    count = known.T @ (known * weights[:, None])
    observed = expected = np.zeros_like(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        for column in _columns(table, squared=squared):
            filled = np.where(known > 0, column, 0) * weights[:, None]
            plain = np.where(known > 0, column, 0)
            mean = (filled.T @ known) / count  # of the row's rater, over common stimuli
            square = ((plain * filled).T @ known) / count
            product = (plain.T @ filled) / count
            observed = observed + square + square.T - 2 * product
            expected = expected + square + square.T - 2 * mean * mean.T
        found = 1 - observed / expected
    return np.asarray(np.where((count >= 2) & (expected > 1e-12), found, np.nan))


def _columns(table: Array, *, squared: bool) -> list[Array]:
    """Return tables whose squared differences sum to the disagreement of two scores."""
    if squared:
        return [table - np.nanmean(table)]
    values = np.unique(table[~np.isnan(table)])
    steps = np.diff(values)
    return [np.sqrt(step) * (table > low) for low, step in zip(values[:-1], steps, strict=True)]


def consistency(first: Array, second: Array) -> Consistency:
    """Return how well a rater's second scores of the same stimuli repeat the first.

    Shape:
        ``(stimuli,)``, twice; NaN where a stimulus was not rated twice.

    Example:
        >>> found = consistency(np.array([4.0, 3, 5, 2]), np.array([4.0, 4, 5, 2]))
        >>> found.pairs, found.same, found.drift
        (4, 0.75, 0.25)
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    both = np.isfinite(first) & np.isfinite(second)
    before, after = first[both], second[both]
    if not before.size:
        return Consistency(0, math.nan, math.nan, math.nan, math.nan)
    off = after - before
    pair = kappas(np.stack([before, after], axis=1), np.ones(before.size))[0, 1]
    return Consistency(
        before.size, float((off == 0).mean()), float(off.mean()),
        math.sqrt(float((off**2).mean()) / 2), float(pair),
    )  # fmt: skip
