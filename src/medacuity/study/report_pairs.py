"""What choices between two methods say: strengths, who beats whom, and a habit of the hand."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.compare import holm
from medacuity.metrics.opinion.estimate import Array, Estimate, by_samples
from medacuity.metrics.opinion.pairs import Strengths, bradley_terry, thurstone, wins_table
from medacuity.study.ratings import TIE, Choice, Ratings
from medacuity.study.report_grid import names

RESAMPLES = 500
FEW = 3
"""Of fewer raters than this, drawing raters again says nothing."""


@dataclass(frozen=True)
class PairsFinding:
    """All that the choices of one question say.

    Attributes:
        question: What was asked.
        methods: What was compared.
        choices: How many choices.
        raters: How many raters.
        wins: ``wins[i, j]``: how often i was preferred to j; a tie is half a win for both.
        ties: How many ties.
        strengths: By Bradley and Terry.
        wider: Their intervals when raters are drawn again.
        thurstone: By Thurstone's case V.
        p: Corrected p (Holm) of each pair ``(i, j)``, i before j.
        first_chosen: Share of decided choices that fell on what was shown first.
        first_p: Two-sided p of "the place does not matter".
    """

    question: str
    methods: tuple[str, ...]
    choices: int
    raters: int
    wins: Array
    ties: int
    strengths: Strengths
    wider: tuple[Estimate, ...]
    thurstone: Strengths
    p: dict[tuple[int, int], float]
    first_chosen: float
    first_p: float


def pairs_of(ratings: Ratings, question: str, *, seed: int) -> PairsFinding:
    """Return what the choices of one question say; of repeats, the first only.

    Raises:
        UsageError: Methods were compared in groups without any link.
    """
    mine = [c for c in ratings.choices if c.question == question and c.repeat == 0]
    methods = names(name for c in mine for name in (c.first, c.second))
    raters = names(c.rater for c in mine)
    tables = np.stack([
        _wins([c for c in mine if c.rater == rater], methods) for rater in raters
    ])  # fmt: skip
    strengths = bradley_terry(tables.sum(axis=0))
    pairs = [(i, j) for i in range(len(methods)) for j in range(i + 1, len(methods))]
    p = holm([strengths.p(i, j) for i, j in pairs])
    decided = [c.chosen == c.first for c in mine if c.chosen != TIE]
    place = stats.binomtest(sum(decided), len(decided)).pvalue if decided else math.nan
    return PairsFinding(
        question, methods, len(mine), len(raters), tables.sum(axis=0), len(mine) - len(decided),
        strengths, _wider(tables, strengths, seed), thurstone(tables.sum(axis=0)),
        dict(zip(pairs, p, strict=True)),
        sum(decided) / len(decided) if decided else math.nan, float(place),
    )  # fmt: skip


def _wins(choices: Sequence[Choice], methods: Sequence[str]) -> Array:
    place = {name: i for i, name in enumerate(methods)}
    return wins_table(
        [place[c.first] for c in choices], [place[c.second] for c in choices],
        [-1 if c.chosen == TIE else place[c.chosen] for c in choices], count=len(methods),
    )  # fmt: skip


def _wider(tables: Array, strengths: Strengths, seed: int) -> tuple[Estimate, ...]:
    """Return the strengths with intervals by drawing raters again."""
    count = len(tables)
    if count < FEW:
        return tuple(Estimate(float(value)) for value in strengths.value)
    rng = np.random.default_rng(seed)
    samples = np.full((RESAMPLES, len(strengths.value)), np.nan)
    for i in range(RESAMPLES):
        try:
            samples[i] = bradley_terry(tables[rng.integers(count, size=count)].sum(axis=0)).value
        except UsageError:  # a draw without any link between two groups
            continue
    return tuple(by_samples(float(value), samples[:, i]) for i, value in enumerate(strengths.value))
