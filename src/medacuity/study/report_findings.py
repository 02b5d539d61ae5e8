"""What a table of ratings says: everything that a report tells, as numbers."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import UsageError
from medacuity.metrics.opinion.agreement import alpha, kappa
from medacuity.metrics.opinion.compare import holm, signed_rank
from medacuity.metrics.opinion.correlation import Association, associate
from medacuity.metrics.opinion.estimate import UNKNOWN, Array, Estimate
from medacuity.metrics.opinion.grading import Grading, vgc
from medacuity.metrics.opinion.icc import ICC, icc
from medacuity.metrics.opinion.mixed import Components, Contrast, Mixed, fit_mixed
from medacuity.metrics.opinion.recovery import Recovery, recover
from medacuity.metrics.opinion.scores import Scores, mos
from medacuity.study.report_grid import Grid
from medacuity.study.report_raters import RaterFinding, rater_findings

T = TypeVar("T")
Values = Mapping[str, float]
"""A metric's value of each stimulus, by name."""


@dataclass(frozen=True)
class MethodFinding:
    """How a method was rated.

    Attributes:
        name: The method.
        stimuli: How many stimuli of it were rated.
        ratings: How many ratings they got.
        mos: Mean of all its ratings; Student's interval over them.
        wider: The same mean by the mixed model; the interval is for other raters and cases.
        dmos: Against the hidden reference; unknown without one.
        recovered: Mean of the qualities that P.910 recovers.
        without: MOS without the raters that were flagged.
    """

    name: str
    stimuli: int
    ratings: int
    mos: Estimate
    wider: Estimate
    dmos: Estimate
    recovered: float
    without: float


@dataclass(frozen=True)
class Comparison:
    """Two methods, first against second.

    Attributes:
        first: Name of one.
        second: Name of the other.
        contrast: Difference by the mixed model.
        p: Of the contrast, corrected (Holm).
        rank_p: Of Wilcoxon's test over cases, corrected (Holm).
        grading: Visual grading characteristics of the first against the second.
    """

    first: str
    second: str
    contrast: Contrast | None
    p: float
    rank_p: float
    grading: Grading | None


@dataclass(frozen=True)
class Agreement:
    """How far raters agree; None or unknown where the ratings do not allow to say."""

    icc: ICC | None
    alpha: Estimate
    kappa: Estimate


@dataclass(frozen=True)
class QuestionFinding:
    """All that the scores given to one question say."""

    grid: Grid
    scores: Scores
    recovery: Recovery | None
    methods: tuple[MethodFinding, ...]
    comparisons: tuple[Comparison, ...]
    components: Components | None
    agreement: Agreement
    raters: tuple[RaterFinding, ...]
    metrics: Mapping[str, Association]
    notes: tuple[str, ...]


def find(
    grid: Grid, *, checks: Mapping[str, tuple[int, int]], metrics: Mapping[str, Values], seed: int
) -> QuestionFinding:
    """Return what the scores of one question say.

    Args:
        grid: The scores.
        checks: Attention checks failed and seen, by rater.
        metrics: Metrics of the same stimuli, to correlate with.
        seed: Of all bootstraps.
    """
    notes: list[str] = []
    scores = mos(grid.first)
    recovery = attempt(lambda: _recovered(grid, notes), notes)
    model = attempt(lambda: fit_mixed(*grid.long()), notes)
    raters = rater_findings(grid, recovery, checks)
    kept = np.array([not rater.flags for rater in raters], dtype=np.bool_)
    methods = tuple(
        _method(grid, i, model=model, recovery=recovery, kept=kept)
        for i in range(len(grid.methods))
    )
    opinion = scores.mean if recovery is None else recovery.quality
    found = {
        name: attempt(_association_of(grid, values, opinion, seed), notes)
        for name, values in metrics.items()
    }
    return QuestionFinding(
        grid, scores, recovery, methods, comparisons(grid, model, notes, seed=seed),
        None if model is None else model.components, _agreement(grid, notes, seed), raters,
        {name: one for name, one in found.items() if one is not None},
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def attempt(call: Callable[[], T], notes: list[str]) -> T | None:
    """Return what a call finds; None, with the reason noted, where the ratings are too few."""
    try:
        return call()
    except UsageError as error:
        notes.append(f"Not computed: {error.reason}.")
        return None


def flat(values: Array) -> Estimate:
    """Return the mean of all numbers of a table with Student's interval over them."""
    known = values[np.isfinite(values)]
    return mos(known[None, :])[0] if known.size else UNKNOWN


def _recovered(grid: Grid, notes: list[str]) -> Recovery:
    """Return what P.910 recovers; where that follows one rater alone, only the bias is taken."""
    found = recover(grid.layers)
    if not found.collapsed:
        return found
    alone = grid.raters[int(np.argmin(found.inconsistency))]
    notes.append(
        f"With so few ratings ITU-T P.910 would follow {alone} alone: recovered qualities are free "
        "of bias, but raters count alike."
    )
    return recover(grid.layers, weighted=False)


def _method(
    grid: Grid,
    method: int,
    *,
    model: Mixed | None,
    recovery: Recovery | None,
    kept: NDArray[np.bool_],
) -> MethodFinding:  # fmt: skip
    rows = grid.rows_of(method)
    scores = grid.first[rows]
    against = UNKNOWN
    if grid.reference >= 0:
        best, other = grid.scale.high, grid.by_case(grid.reference)
        against = flat(grid.by_case(method) - other + best)
    return MethodFinding(
        grid.methods[method], len(rows), int(np.isfinite(scores).sum()), flat(scores),
        UNKNOWN if model is None else model.mean(method), against,
        math.nan if recovery is None else float(recovery.quality[rows].mean()),
        flat(scores[:, kept]).value,
    )  # fmt: skip


def comparisons(
    grid: Grid, model: Mixed | None, notes: list[str], *, seed: int
) -> tuple[Comparison, ...]:
    """Return every pair of methods, the better rated first, corrected for how many there are."""
    means = [flat(grid.first[grid.rows_of(i)]).value for i in range(len(grid.methods))]
    order = sorted(range(len(means)), key=lambda i: -means[i])
    pairs = [(a, b) for n, a in enumerate(order) for b in order[n + 1 :]]
    contrasts = [None if model is None else model.contrast(a, b) for a, b in pairs]
    p = holm([math.nan if c is None else c.p for c in contrasts])
    by_case = [mos(grid.by_case(i)).mean for i in range(len(means))]
    rank_p = holm([signed_rank(by_case[a], by_case[b]) for a, b in pairs])
    gradings = [
        attempt(lambda a=a, b=b: _grading(grid, a, b, seed), notes)  # type: ignore[misc]
        for a, b in pairs
    ]
    return tuple(
        Comparison(grid.methods[a], grid.methods[b], contrasts[i], p[i], rank_p[i], gradings[i])
        for i, (a, b) in enumerate(pairs)
    )


def _grading(grid: Grid, first: int, second: int, seed: int) -> Grading:
    rng = np.random.default_rng(seed)
    return vgc(grid.by_case(first), grid.by_case(second), rng=rng)


def _association_of(
    grid: Grid, values: Values, opinion: Array, seed: int
) -> Callable[[], Association]:
    metric = np.array([values.get(name, math.nan) for name in grid.stimuli])
    rng = np.random.default_rng(seed)
    return lambda: associate(metric, opinion, grid.case, rng=rng)


def _agreement(grid: Grid, notes: list[str], seed: int) -> Agreement:
    first = grid.first
    if len(grid.raters) < 2:
        notes.append("Not computed: agreement needs at least two raters.")
        return Agreement(None, UNKNOWN, UNKNOWN)
    ordinal = bool(grid.scale.step)
    found = attempt(lambda: alpha(first, rng=np.random.default_rng(seed), ordinal=ordinal), notes)
    weighted = attempt(lambda: kappa(first, rng=np.random.default_rng(seed)), notes)
    return Agreement(attempt(lambda: icc(first), notes), found or UNKNOWN, weighted or UNKNOWN)
