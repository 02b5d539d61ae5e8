"""Ratings as tables of numbers: a row per stimulus, a column per rater, NaN where not seen."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medacuity.study.ratings import Rating, Ratings, Scale

Array = NDArray[np.float64]
Codes = NDArray[np.intp]
DIGITS = "0123456789"


@dataclass(frozen=True)
class Grid:
    """The ratings of one question.

    Attributes:
        question: What was asked.
        scale: The scale of the answers.
        stimuli: Names of the rows.
        raters: Names of the columns.
        methods: What made the stimuli, each once; ("",) where that is not known.
        cases: What the stimuli show, each once; the stimuli themselves where that is not known.
        method: Which method made each row.
        case: Which case each row shows.
        layers: Scores, (stimuli, raters, repeats).
        seconds: How long the first answers took, (stimuli, raters).
        reference: Which method is the reference; -1 for none.
    """

    question: str
    scale: Scale
    stimuli: tuple[str, ...]
    raters: tuple[str, ...]
    methods: tuple[str, ...]
    cases: tuple[str, ...]
    method: Codes
    case: Codes
    layers: Array
    seconds: Array
    reference: int

    @property
    def first(self) -> Array:
        """Each rater's first score of each stimulus: later ones only judge the rater."""
        return np.asarray(self.layers[:, :, 0])

    def rows_of(self, method: int) -> Codes:
        """Return the rows that a method made."""
        return np.flatnonzero(self.method == method)

    def by_case(self, method: int) -> Array:
        """Return a method's scores with a row per case; NaN where the case was not shown.

        Shape:
            -> ``(cases, raters)``.
        """
        table = np.full((len(self.cases), len(self.raters)), np.nan)
        rows = self.rows_of(method)
        table[self.case[rows]] = self.first[rows]
        return table

    def long(self) -> tuple[Array, Codes, Codes, Codes]:
        """Return score, method, case and rater of every first rating, one by one."""
        rows, columns = np.nonzero(np.isfinite(self.first))
        return self.first[rows, columns], self.method[rows], self.case[rows], columns


def grid_of(ratings: Ratings, question: str) -> Grid:
    """Return the ratings of one question as tables, without attention checks.

    Repeats fill the layers in their order; who only gave a second score gave a first one. Where
    a case has two stimuli of one method, each stimulus is taken as a case of its own.
    """
    checks = {check.stimulus for check in ratings.checks}
    mine = [r for r in ratings.ratings if r.question == question and r.stimulus not in checks]
    shown = {r.stimulus: r for r in mine}
    stimuli, raters = tuple(shown), names(r.rater for r in mine)
    own = Counter((shown[s].method, _case(shown[s])) for s in stimuli)
    alone = any(count > 1 for count in own.values())
    case_names = [s if alone else _case(shown[s]) for s in stimuli]
    method, methods = coded([shown[s].method for s in stimuli])
    case, cases = coded(case_names)
    rows = {name: i for i, name in enumerate(stimuli)}
    columns = {name: i for i, name in enumerate(raters)}
    given = defaultdict(list)
    for r in sorted(mine, key=lambda r: r.repeat):
        given[rows[r.stimulus], columns[r.rater]].append(r)
    depth = max(map(len, given.values()), default=1)
    layers = np.full((len(stimuli), len(raters), depth), np.nan)
    seconds = np.full(layers.shape, np.nan)
    for (row, column), scores in given.items():
        for layer, r in enumerate(scores):
            layers[row, column, layer], seconds[row, column, layer] = r.score, r.seconds
    named = bool(ratings.reference) and ratings.reference in methods
    reference = methods.index(ratings.reference) if named else -1
    return Grid(
        question, ratings.scale_of(question), stimuli, raters, methods, cases, method, case,
        layers, seconds[:, :, 0], reference,
    )  # fmt: skip


def _case(rating: Rating) -> str:
    return rating.case or rating.stimulus


def names(given: Iterable[str]) -> tuple[str, ...]:
    """Return each name once, in natural order: "case 2" before "case 10".

    Example:
        >>> names(["case 10", "case 2", "case 10"])
        ('case 2', 'case 10')
    """
    return tuple(sorted(dict.fromkeys(given), key=natural))


def natural(name: str) -> list[tuple[int, str]]:
    """Return what to sort a name by, so that numbers in it count as numbers."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+", name)
    return [(int(p), "") if p[0] in DIGITS else (-1, p.casefold()) for p in parts]


def coded(given: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    """Return 0, 1, ... for each name, and the names those stand for, in natural order."""
    order = names(given)
    place = {name: i for i, name in enumerate(order)}
    return np.array([place[name] for name in given], dtype=np.intp), order


def grades(grid: Grid) -> Array:
    """Return the scores a rater can give, from the worst; empty for a slider."""
    scale = grid.scale
    if not scale.step:
        return np.array([])
    return np.arange(scale.low, scale.high + scale.step / 2, scale.step)


def checks_failed(ratings: Ratings) -> dict[str, tuple[int, int]]:
    """Return how many attention checks each rater failed, and of how many."""
    told = {check.stimulus: check for check in ratings.checks}
    found = {r.rater: (0, 0) for r in ratings.ratings}
    for rating in ratings.ratings:
        check = told.get(rating.stimulus)
        if check is not None and not math.isnan(rating.score):
            failed, seen = found[rating.rater]
            wrong = not check.low <= rating.score <= check.high
            found[rating.rater] = (failed + wrong, seen + 1)
    return found
