"""What a table of ratings must hold as a whole: who saw what how often, on which scale."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from medacuity.errors import MalformedInput, UsageError
from medacuity.study.ratings import Rating, Ratings, Scale
from medacuity.study.ratings_cells import shown

ACR = ("bad", "poor", "fair", "good", "excellent")
USUAL = ((1, 5), (0, 5), (1, 7), (1, 9), (1, 10), (0, 10), (0, 100), (-3, 3), (-100, 100))
"""Scales that are in use; the first that holds all scores is taken."""

LEAST, MOST = 1e-9, 1e9
"""No scale of opinions has numbers smaller (but for 0) or larger."""


def checked(ratings: Ratings, path: Path) -> Ratings:
    """Return ratings whose repeats count 0, 1, ... for each rater, stimulus and question.

    Raises:
        MalformedInput: There are none; one stimulus is said to show two cases or methods; or the
            same answer stands there twice, where a column of sessions or repeats tells them apart.
    """
    if not ratings.ratings and not ratings.choices:
        raise MalformedInput("a table of ratings holds at least one, got none", path=path)
    for what in ("method", "case"):
        _one_each(ratings.ratings, what, path)
    numbered, again = _numbered(ratings.ratings, path)
    notes = ratings.notes
    if again:
        notes += (f"{again} ratings repeat an earlier one of the same rater and stimulus.",)
    return replace(ratings, ratings=tuple(numbered), notes=notes)


def _one_each(ratings: Iterable[Rating], what: str, path: Path) -> None:
    seen: dict[str, str] = {}
    for rating in ratings:
        said = getattr(rating, what)
        if seen.setdefault(rating.stimulus, said) != said:
            raise MalformedInput(
                f"a stimulus has one {what}, got {shown(seen[rating.stimulus])} and {shown(said)} "
                f"for {shown(rating.stimulus)}; give every version of a case its own name",
                path=path,
            )  # fmt: skip


def _numbered(ratings: Sequence[Rating], path: Path) -> tuple[list[Rating], int]:
    """Return the ratings with repeats counted from 0, and how many are repeats."""
    sessions = {name: i for i, name in enumerate(dict.fromkeys(r.session for r in ratings))}
    groups = defaultdict(list)
    for i, rating in enumerate(ratings):
        groups[rating.rater, rating.stimulus, rating.question].append(i)
    told = len(sessions) > 1 or any(r.repeat for r in ratings)
    found, again = list(ratings), 0
    for members in groups.values():
        order = [(sessions[ratings[i].session], ratings[i].repeat) for i in members]
        if told and len(set(order)) < len(order):
            twice = ratings[members[0]]
            raise MalformedInput(
                f"an answer stands in a table once, got two of rater {shown(twice.rater)} to "
                f"{shown(twice.stimulus)} in the same session and repeat; remove one", path=path,
            )  # fmt: skip
        ranked = sorted(zip(order, members, strict=True))
        for count, (_, i) in enumerate(ranked):
            found[i] = replace(ratings[i], repeat=count)
        again += len(members) - 1
    return found, again


def scaled(ratings: Ratings, path: Path, *, low: float, high: float) -> Ratings:
    """Return ratings with the scale of each question, as told or inferred from the scores.

    Raises:
        UsageError: Low is not below high.
        MalformedInput: A score lies outside the scale that was told, or on none that there is.
    """
    if not ratings.ratings:
        return ratings
    for rating in ratings.ratings:
        if rating.score and not LEAST <= abs(rating.score) <= MOST:
            raise MalformedInput(
                f"scores are 0, or from {LEAST:g} to {MOST:g} in size, got {rating.score:g} of "
                f"rater {shown(rating.rater)} for {shown(rating.stimulus)}; correct it", path=path,
            )  # fmt: skip
    by_question = defaultdict(list)
    for rating in ratings.ratings:
        by_question[rating.question].append(rating.score)
    scales = {q: scale_for(scores, low=low, high=high) for q, scores in by_question.items()}
    for rating in ratings.ratings:
        scale = scales[rating.question]
        if not scale.low <= rating.score <= scale.high:
            raise MalformedInput(
                f"scores lie on the scale from {scale.low:g} to {scale.high:g}, got "
                f"{rating.score:g} of rater {shown(rating.rater)} for {shown(rating.stimulus)}; "
                "correct it, or name another scale by --low and --high", path=path,
            )  # fmt: skip
    common = Counter(scales.values()).most_common(1)[0][0]
    odd = {question: scale for question, scale in scales.items() if scale != common}
    notes = ratings.notes
    if math.isnan(low) or math.isnan(high):
        notes += (f"Scale taken to be {common.low:g} to {common.high:g} from the scores.",)
    return replace(ratings, scale=common, scales=odd, notes=notes)


def scale_for(scores: Sequence[float], *, low: float = math.nan, high: float = math.nan) -> Scale:
    """Return the scale that scores are on: as told, else the narrowest usual one.

    Example:
        >>> scale_for([3, 5, 1]).high, scale_for([3, 55.5]).high
        (5.0, 100.0)
    """
    if low >= high or math.isinf(low) or math.isinf(high):
        raise UsageError(f"a scale goes from a low to a high score, got {low:g} to {high:g}")
    least, most = min(scores), max(scores)
    whole = all(score == int(score) for score in scores)
    fitting = [(a, b) for a, b in USUAL if a <= least and most <= b]
    usual = fitting[0] if fitting else (math.floor(least), max(math.ceil(most), least + 1))
    a, b = (usual[0] if math.isnan(low) else low), (usual[1] if math.isnan(high) else high)
    step = 1 if whole and b - a <= 20 else 0
    return Scale(float(a), float(b), ACR if (a, b, step) == (1, 5, 1) else (), float(step))
