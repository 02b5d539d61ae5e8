"""The quality behind the scores: raters' bias and inconsistency found and taken out."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import Array

ROUNDS = 1000
CLOSE = 1e-8
"""Rounds and change of quality at which the recommendation's own program stops."""

TINY = 1e-8
"""Added to variances, so that a rater without any inconsistency does not get infinite weight."""

ALONE = 0.9
"""Whose weight is more than this part of all decides alone."""


@dataclass(frozen=True)
class Recovery:
    """What ITU-T P.910 recovers: a quality per stimulus, a bias and an inconsistency per rater.

    Attributes:
        quality: Quality of each stimulus, on the scale of the scores.
        error: Standard error of each quality from what is left of its own scores (``sos_j``).
        bias: How much higher than the others each rater scores; sums to zero.
        inconsistency: Standard deviation of what is left of each rater's scores.
        shared_error: Standard error of each quality by maximum likelihood, from the raters'
            inconsistencies; smaller, and the same for all stimuli that all raters saw.
        seen: How many scores each rater gave.
        rounds: How many rounds it took.
        largest: The largest share of the weight that one rater got.
    """

    quality: Array
    error: Array
    bias: Array
    inconsistency: Array
    shared_error: Array
    seen: Array
    rounds: int
    largest: float

    @property
    def collapsed(self) -> bool:
        """Whether one rater decides alone: the likelihood then has no maximum, and says nothing.

        Who is followed exactly has no inconsistency left, and so gets all the weight. With three
        raters that is the rule, with eight and eighty stimuli it does not happen; see
        ``benchmarks/opinion.py``.
        """
        return self.largest > ALONE

    def quality_interval(self, *, level: float = 0.95) -> tuple[Array, Array]:
        """Return the ends of the maximum-likelihood intervals of the qualities."""
        half = stats.norm.ppf((1 + level) / 2) * self.shared_error
        return self.quality - half, self.quality + half

    def bias_interval(self, *, level: float = 0.95) -> tuple[Array, Array]:
        """Return the ends of the intervals of the biases."""
        half = stats.norm.ppf((1 + level) / 2) * self.inconsistency / np.sqrt(self.seen)
        return self.bias - half, self.bias + half

    def inconsistency_interval(self, *, level: float = 0.95) -> tuple[Array, Array]:
        """Return the ends of the intervals of the inconsistencies, by chi-square."""
        ends = [(1 + level) / 2, (1 - level) / 2]
        low, high = (np.sqrt(self.seen / stats.chi2.ppf(end, self.seen)) for end in ends)
        return low * self.inconsistency, high * self.inconsistency


def recover(scores: Array, *, weighted: bool = True) -> Recovery:
    """Return the quality of each stimulus, free of its raters' bias, weighted by their care.

    A score is taken as ``quality + bias + inconsistency * noise``. Qualities, biases and
    inconsistencies are found in turn until nothing changes, each the best given the others, so
    the likelihood grows in every step ("alternating projection": Li, Bampis, Krasula, Janowski,
    Katsavounidis, "A simple model for subject behavior in subjective experiments", HVEI 2020,
    algorithm 4; it stands in ITU-T P.910 and, with repetitions, in ITU-R BT.500). The intervals
    are the paper's equation 6 and those below it.

    Args:
        scores: One row per stimulus, one column per rater and, if raters saw stimuli again, one
            layer per repetition; NaN where missing.
        weighted: Weigh raters by their care, as published. Without, all count alike and only the
            bias is taken out: what is left to do where the weighted solution ``collapsed``.

    Shape:
        ``(stimuli, raters)`` or ``(stimuli, raters, repetitions)``.

    Raises:
        UsageError: A stimulus or a rater has no score at all, or there is one rater only.

    Example:
        >>> found = recover(np.array([[5.0, 4.0, 4.5], [3.0, 2.0, 2.5], [4.0, 3.0, 3.5]]))
        >>> found.quality.round(6).tolist(), found.bias.round(6).tolist()
        ([4.5, 2.5, 3.5], [0.5, -0.5, 0.0])
    """
    table = _layers(scores)  # (J, I, R)
    known = ~np.isnan(table)
    quality = np.nanmean(table, axis=(1, 2))
    bias = _mean(table - quality[:, None, None], known, axes=(0, 2))
    rounds, change = 0, np.inf
    while change >= CLOSE and rounds < ROUNDS:
        rounds, before = rounds + 1, quality
        left = np.where(known, table - quality[:, None, None] - bias[:, None], np.nan)
        by_rater, by_stimulus = np.nanstd(left, axis=(0, 2)), np.nanstd(left, axis=(1, 2))
        weight = 1 / (by_rater**2 + TINY) if weighted else np.ones(table.shape[1])
        quality = _mean(table - bias[:, None], known * weight[:, None], axes=(1, 2))
        bias = _mean(table - quality[:, None, None], known, axes=(0, 2))
        change = float(np.linalg.norm(quality - before))
    shift = bias.mean()
    with np.errstate(divide="ignore"):
        error = by_stimulus / np.sqrt(known.sum(axis=(1, 2)))
        shares = known * weight[:, None]
        spread = (shares**2 * by_rater[:, None] ** 2).sum(axis=(1, 2))
        shared = np.sqrt(spread) / shares.sum(axis=(1, 2))
    seen = known.sum(axis=(0, 2)).astype(np.float64)
    largest = float(weight.max() / weight.sum())
    return Recovery(quality + shift, error, bias - shift, by_rater, shared, seen, rounds, largest)


def without_bias(scores: Array) -> Array:
    """Return scores from which each rater's bias was taken once (ITU-T P.913, 12.4).

    Shape:
        ``(stimuli, raters)`` -> the same.

    Example:
        >>> without_bias(np.array([[5.0, 4.0], [3.0, 2.0]])).tolist()
        [[4.5, 4.5], [2.5, 2.5]]
    """
    table = _layers(scores)[..., 0]
    return np.asarray(table - np.nanmean(table - np.nanmean(table, axis=1, keepdims=True), axis=0))


def _mean(values: Array, weights: Array, *, axes: tuple[int, int]) -> Array:
    total = np.sum(np.where(weights > 0, values, 0) * weights, axis=axes)
    return np.asarray(total / np.sum(weights * np.ones_like(values), axis=axes))


def _layers(scores: Array) -> Array:
    table = np.asarray(scores, dtype=np.float64)
    table = table[..., None] if table.ndim == 2 else table
    if table.ndim != 3 or table.shape[1] < 2:
        raise UsageError(
            "scores are a table of stimuli by at least two raters (by repetitions), "
            f"got shape {np.shape(scores)}; put stimuli in rows, raters in columns"
        )
    if np.isinf(table).any():
        raise UsageError("scores are finite numbers, or NaN where missing; got infinity")
    known = ~np.isnan(table)
    if not (known.any(axis=(1, 2)).all() and known.any(axis=(0, 2)).all()):
        raise UsageError(
            "every stimulus needs a score and every rater must have given one, got an empty row "
            "or column; leave it out"
        )
    return table
