"""What the ratings say of the raters: strict or mild, careful or not, and whether they repeat."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medacuity.metrics.opinion.agreement import Consistency, consistency
from medacuity.metrics.opinion.estimate import UNKNOWN, Array, Estimate
from medacuity.metrics.opinion.recovery import Recovery
from medacuity.metrics.opinion.screening import (
    screen_by_correlation,
    screen_by_kurtosis,
)
from medacuity.study.report_grid import Grid

MOST_FAILED = 0.5
"""Who fails so large a share of the attention checks is flagged."""


@dataclass(frozen=True)
class RaterFinding:
    """What one rater's scores say of the rater.

    Attributes:
        name: The rater.
        ratings: How many first scores.
        mean: Their mean.
        bias: How much higher than the others, by P.910, with its interval.
        inconsistency: Spread of what quality and bias leave, by P.910, with its interval.
        correlation: With the mean of the panel, when the correlation screening decided.
        erratic: Whether BT.500's kurtosis screening would leave the rater out.
        apart: Whether the correlation screening (P.913) would.
        failed: Attention checks failed.
        checks: Attention checks seen.
        repeats: First scores against second ones.
        seconds: Median time of an answer; NaN where not measured.
    """

    name: str
    ratings: int
    mean: float
    bias: Estimate
    inconsistency: Estimate
    correlation: float
    erratic: bool
    apart: bool
    failed: int
    checks: int
    repeats: Consistency
    seconds: float

    @property
    def flags(self) -> tuple[str, ...]:
        """Why the rater may not have been looking; empty where nothing speaks for it."""
        careless = self.checks > 0 and self.failed >= MOST_FAILED * self.checks
        found = (
            ("erratic by BT.500", self.erratic),
            ("apart from the panel by P.913", self.apart),
            ("failed attention checks", careless),
        )
        return tuple(reason for reason, true in found if true)


def rater_findings(
    grid: Grid, recovery: Recovery | None, checks: Mapping[str, tuple[int, int]]
) -> tuple[RaterFinding, ...]:
    """Return what the scores of one question say of each rater.

    The screenings need at least three raters; of fewer nobody is flagged by them.

    Args:
        grid: The scores.
        recovery: Bias and inconsistency by P.910; None where there is none.
        checks: Attention checks failed and seen, by rater.
    """
    count = len(grid.raters)
    erratic = apart = np.zeros(count, dtype=bool)
    correlation = np.full(count, math.nan)
    if count > 2:
        erratic = ~screen_by_kurtosis(grid.first).kept
        by_panel = screen_by_correlation(grid.first)
        apart, correlation = ~by_panel.kept, by_panel.correlation
    return tuple(
        RaterFinding(
            name, int(np.isfinite(grid.first[:, i]).sum()), float(np.nanmean(grid.first[:, i])),
            *_recovered(recovery, i), float(correlation[i]), bool(erratic[i]), bool(apart[i]),
            *checks.get(name, (0, 0)), _repeats(grid, i), _median(grid.seconds[:, i]),
        )
        for i, name in enumerate(grid.raters)
    )  # fmt: skip


def overall_repeats(grid: Grid) -> Consistency:
    """Return how well all raters together repeat their scores."""
    if grid.layers.shape[2] < 2:
        return consistency(np.array([]), np.array([]))
    return consistency(grid.layers[:, :, 0].ravel(), grid.layers[:, :, 1].ravel())


def _repeats(grid: Grid, rater: int) -> Consistency:
    if grid.layers.shape[2] < 2:
        return consistency(np.array([]), np.array([]))
    return consistency(grid.layers[:, rater, 0], grid.layers[:, rater, 1])


def _recovered(recovery: Recovery | None, rater: int) -> tuple[Estimate, Estimate]:
    if recovery is None:
        return UNKNOWN, UNKNOWN
    bias, spread = recovery.bias_interval(), recovery.inconsistency_interval()
    return (
        Estimate(float(recovery.bias[rater]), float(bias[0][rater]), float(bias[1][rater])),
        Estimate(
            float(recovery.inconsistency[rater]), float(spread[0][rater]), float(spread[1][rater])
        ),
    )


def _median(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else math.nan
