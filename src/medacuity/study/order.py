"""In which order a rater sees what: balanced over raters, decided by the study's seed alone.

Every rater goes through the cases in rounds, and meets each case once per round, each time in
another treatment (a version, or a pair of versions). Which one is said by a row of a Williams
square: over its rows every treatment stands equally often in every round, and follows every
other equally often. Neighbouring cases have neighbouring rows, and so have neighbouring raters;
so a study that ends early, or shows only some rounds, is balanced too. Within a round the
treatments take turns, again in the order of rows, and cases are drawn at random from those that
were not just seen.

Williams, "Experimental designs balanced for the estimation of residual effects of treatments",
Australian Journal of Scientific Research A 2 (1949).
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import combinations
from random import Random
from typing import NamedTuple

from medacuity.study.design import NEAREST, ORIGINAL, Study
from medacuity.study.scales import Panels

APART = 3
"""Trials between two versions of a case, where there are cases enough."""


class Kind(StrEnum):
    """What a trial is for. Raters are told of training, and of nothing else."""

    TRAINING = "training"
    RATING = "rating"
    REPEAT = "repeat"
    CHECK = "check"


class Trial(NamedTuple):
    """What a rater sees at once: stimuli by their place in the study, from left to right."""

    kind: Kind
    stimuli: tuple[int, ...]


Treatment = tuple[str, ...]
"""Methods that one trial compares: one, or the two of a pair."""


def plan(study: Study, number: int) -> list[Trial]:
    """Return the trials of a rater, in order.

    Args:
        study: The study.
        number: Which rater: 1 for the first invited. The same number has the same plan.
    """
    rng = Random(f"{study.seed}/{number}")
    trials = _rated(study, number, rng)
    for again in rng.sample(trials, study.repeats):
        _repeat(study, trials, again, rng)
    _add_checks(study, trials, rng)
    return [*_training(study, number), *trials]


def treatments(study: Study) -> list[Treatment]:
    """Return what is done to each case: every version, or every pair of versions."""
    if study.panels is Panels.PAIR:
        return list(combinations(study.methods, 2))
    tested = [m for m in study.methods if study.panels is Panels.SINGLE or m != ORIGINAL]
    return [(method,) for method in tested]


def williams(n: int) -> list[tuple[int, ...]]:
    """Return the rows of a Williams square of n treatments: n, or 2 n where n is odd.

    Example:
        >>> williams(4)
        [(0, 1, 3, 2), (1, 2, 0, 3), (2, 3, 1, 0), (3, 0, 2, 1)]
    """
    first = [(k + 1) // 2 if k % 2 else -k // 2 for k in range(n)]
    rows = [tuple((place + shift) % n for place in first) for shift in range(n)]
    return rows if n % 2 == 0 else [each for row in rows for each in (row, row[::-1])]


def _rated(study: Study, number: int, rng: Random) -> list[Trial]:
    done = treatments(study)
    rows = williams(len(done))
    squares = len(rows) // len(done)  # of an odd number, one half of the raters has each
    cases = list(study.cases)
    Random(f"{study.seed}/cases").shuffle(cases)
    turns = Turns(rows, rng)
    seen: list[str] = []
    found = []
    for round_ in range(study.rounds or len(done)):
        left: dict[int, list[str]] = {}
        for place, case in enumerate(cases):
            row = rows[(number + squares * place) % len(rows)]
            left.setdefault(row[round_], []).append(case)
        for case, which in _round(left, turns, seen, rng):
            mirrored = _mirrored(study, case, which) != bool(number % 2)
            found.append(Trial(Kind.RATING, shown(study, case, done[which], mirrored=mirrored)))
    return found


class Turns:
    """Whose turn it is: one row of a square after the other, drawn so that they join well.

    Args:
        rows: Of a Williams square.
        rng: Draws the rows.
    """

    def __init__(self, rows: Sequence[tuple[int, ...]], rng: Random) -> None:
        self.rows, self.rng = rows, rng
        self.waiting: list[int] = []
        self.drawn: list[tuple[int, ...]] = []
        self.last = -1

    def take(self, possible: Sequence[int]) -> int:
        """Return which of the possible treatments is next, the last one only if it must be."""
        others = [which for which in possible if which != self.last] or list(possible)
        while not set(others) & set(self.waiting):
            self.waiting += self._next_row()
        self.last = next(which for which in self.waiting if which in others)
        self.waiting.remove(self.last)
        return self.last

    def _next_row(self) -> tuple[int, ...]:
        """Draw a row; none comes again before all have come."""
        if not self.drawn:
            self.drawn = self.rng.sample(self.rows, len(self.rows))
        row = next((row for row in self.drawn if row[0] != self.last), self.drawn[0])
        self.drawn.remove(row)
        return row


def _round(
    left: dict[int, list[str]], turns: Turns, seen: list[str], rng: Random
) -> Iterator[tuple[str, int]]:
    """Yield each case of a round with its treatment; treatments take turns."""
    apart = min(APART, sum(map(len, left.values())) - 1)
    while left:
        recent = seen[-apart:] if apart else []
        fresh = {w: [c for c in cases if c not in recent] for w, cases in left.items()}
        fresh = {which: cases for which, cases in fresh.items() if cases}
        if not fresh:  # the one seen longest ago
            oldest = max((c for cases in left.values() for c in cases), key=seen[::-1].index)
            fresh = {which: [oldest] for which, cases in left.items() if oldest in cases}
        which = turns.take(list(fresh))
        case = rng.choice(fresh[which])
        left[which].remove(case)
        if not left[which]:
            del left[which]
        seen.append(case)
        yield case, which


def _mirrored(study: Study, case: str, which: int) -> bool:
    """Tell whether even raters see a pair mirrored: for half of the cases, whatever the pair."""
    cases = list(study.cases)
    Random(f"{study.seed}/sides/{which}").shuffle(cases)
    return bool(cases.index(case) % 2)


def shown(
    study: Study, case: str, treatment: Treatment, *, mirrored: bool = False
) -> tuple[int, ...]:
    """Return the stimuli of a trial from left to right; a reference is always on the left."""
    methods = treatment[::-1] if mirrored else treatment
    if study.panels is Panels.REFERENCE:
        methods = (ORIGINAL, *methods)
    return tuple(study.index_of(case, method) for method in methods)


def _repeat(study: Study, trials: list[Trial], again: Trial, rng: Random) -> None:
    """Show a trial once more, later, or once earlier; sides of pairs are exchanged."""
    pair = study.panels is Panels.PAIR
    copy = Trial(Kind.REPEAT, again.stimuli[::-1] if pair else again.stimuli)
    at = trials.index(again)
    far = min(max(len(trials) // 4, APART), len(trials) - 1)
    later, earlier = range(at + 1 + far, len(trials) + 1), range(at - far + 1)
    if later:
        trials.insert(_between(study, trials, copy, list(later), rng), copy)
    else:  # the later of the two is the repeat
        trials[at] = Trial(Kind.REPEAT, again.stimuli)
        first = Trial(Kind.RATING, copy.stimuli)
        places = list(earlier) or [at]
        trials.insert(_between(study, trials, first, places, rng), first)


def _add_checks(study: Study, trials: list[Trial], rng: Random) -> None:
    """Spread the attention checks evenly, never as the first trial."""
    checks = [n for n, stimulus in enumerate(study.stimuli) if stimulus.is_check]
    rng.shuffle(checks)
    step = len(trials) / (len(checks) + 1)
    for k, index in enumerate(checks, 1):
        stimulus = study.stimuli[index]
        stimuli: tuple[int, ...] = (index,)
        if study.panels is not Panels.SINGLE:
            plain = ORIGINAL if ORIGINAL in study.methods else study.methods[0]
            stimuli = (study.index_of(stimulus.case, plain), index)
        if study.panels is Panels.PAIR and rng.random() < 0.5:
            stimuli = stimuli[::-1]
        trial = Trial(Kind.CHECK, stimuli)
        start = max(1, round(step * k + k - 1 - step / 3))
        places = list(range(start, min(round(step * k + k - 1 + step / 3), len(trials)) + 1))
        trials.insert(_between(study, trials, trial, places or [len(trials)], rng), trial)


def _between(study: Study, trials: list[Trial], new: Trial, places: list[int], rng: Random) -> int:
    """Return where a trial fits: beside no trial of its case, if that can be."""
    case = study.stimuli[new.stimuli[-1]].case

    def neighbours(place: int) -> list[str]:
        """Return the cases of the trials before and after a place."""
        beside = trials[max(place - 1, 0) : place + 1]
        return [study.stimuli[trial.stimuli[-1]].case for trial in beside]

    free = [place for place in places if case not in neighbours(place)]
    return rng.choice(free or places)


def _training(study: Study, number: int) -> list[Trial]:
    """Return the trials to learn on: the anchors first, then one treatment of each case."""
    found = []
    done = treatments(study)
    for n, case in enumerate(study.training):
        if study.panels is not Panels.PAIR:
            anchors = [m for m in (ORIGINAL, NEAREST) if m in study.methods]
            found += [Trial(Kind.TRAINING, shown(study, case, (anchor,))) for anchor in anchors]
        others = [t for t in done if not set(t) & {ORIGINAL, NEAREST}] or done
        treatment = others[(number + n) % len(others)]
        found.append(Trial(Kind.TRAINING, shown(study, case, treatment)))
    return found
