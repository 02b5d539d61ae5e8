"""Answers leave the database: as `Ratings` for the analysis, as rows for a table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from medacuity.study.database import opened
from medacuity.study.design import ORIGINAL, Stimulus, Study
from medacuity.study.order import Kind
from medacuity.study.ratings import TIE, Check, Choice, Rating, Ratings, Scale
from medacuity.study.scales import Panels
from medacuity.study.schema import panel, rater, rating, trial

SLIDER_SLACK = 10.0
"""How far from an end a slider may stop when an attention check asks for the end."""

PASSED = Scale(0.0, 1.0, (), 1.0)


class Answered(NamedTuple):
    """A trial that was answered.

    Args:
        rater: The rater's name.
        kind: What the trial was for.
        stimuli: From left to right.
        answer: A number per item.
        seconds: How long it took.
        session: The sitting.
    """

    rater: str
    kind: Kind
    stimuli: tuple[Stimulus, ...]
    answer: dict[str, float]
    seconds: float
    session: str


def ratings_of(folder: str | Path, database: str | None = None) -> Ratings:
    """Return all answers of the study in a folder, as the analysis takes them.

    Args:
        folder: Of the study.
        database: URL of its database; None for SQLite in the folder.

    Raises:
        StorageError: There is no study, or its database cannot be read.
    """
    with opened(folder, database) as (study, engine), engine.connect() as connection:
        return gathered(study, answers(connection, study))


def answers(connection: Connection, study: Study, *, kind: Kind | None = None) -> list[Answered]:
    """Return every trial (of a kind) answered now, by rater and in the order of the trials."""
    query = (
        select(
            rater.c.name, trial.c.token, trial.c.kind, panel.c.stimulus,
            rating.c.answer, rating.c.milliseconds, rating.c.sitting,
        )
        .join(trial, trial.c.token == rating.c.trial)
        .join(rater, rater.c.number == trial.c.rater)
        .join(panel, panel.c.trial == trial.c.token)
        .order_by(rater.c.number, trial.c.position, panel.c.place)
    )  # fmt: skip
    rows = connection.execute(query if kind is None else query.where(trial.c.kind == kind.value))
    found: dict[str, Answered] = {}
    for row in rows:
        shown = study.stimuli[row.stimulus]
        before = found.get(row.token) or _answered(row)
        found[row.token] = before._replace(stimuli=(*before.stimuli, shown))
    return list(found.values())


def gathered(study: Study, given: list[Answered]) -> Ratings:
    """Return answers as the analysis takes them; those to training items are left out."""
    scores = [score for each in given for score in _scores(study, each)]
    choices = [choice for each in given for choice in _choices(study, each)]
    return Ratings(
        ratings=tuple(scores),
        choices=tuple(choices),
        scale=PASSED if study.panels is Panels.PAIR else study.items[0].scale,
        checks=tuple(_check(study, s) for s in study.stimuli if s.is_check),
        reference=ORIGINAL if _has_hidden_reference(study) else "",
        title=study.title,
    )


def passed(study: Study, each: Answered) -> bool:
    """Tell whether an attention check was answered as it asks."""
    value = each.answer[study.items[0].name]
    if study.panels is Panels.PAIR:
        return value == (-1 if each.stimuli[0].is_check else 1)
    check = _check(study, each.stimuli[-1])
    return check.low <= value <= check.high


def _answered(row: Any) -> Answered:
    return Answered(
        row.name, Kind(row.kind), (), json.loads(row.answer), row.milliseconds / 1000,
        str(row.sitting),
    )  # fmt: skip


def _scores(study: Study, each: Answered) -> Iterator[Rating]:
    """Yield the scores of an answer; of a check among pairs, 1 if it was passed."""
    shown = each.stimuli[-1]
    if each.kind is Kind.TRAINING or (study.panels is Panels.PAIR and each.kind is not Kind.CHECK):
        return
    if study.panels is Panels.PAIR:
        shown = next(stimulus for stimulus in each.stimuli if stimulus.is_check)
    for item in study.items[:1] if each.kind is Kind.CHECK else study.items:
        score = each.answer[item.name]
        if study.panels is Panels.PAIR:
            score = passed(study, each)
        yield Rating(
            each.rater, _name(shown), float(score), shown.method, shown.case, each.session,
            _question(study, item.question), int(each.kind is Kind.REPEAT), each.seconds,
        )  # fmt: skip


def _choices(study: Study, each: Answered) -> Iterator[Choice]:
    if study.panels is not Panels.PAIR or each.kind in (Kind.TRAINING, Kind.CHECK):
        return
    left, right = each.stimuli
    for item in study.items:
        value = each.answer[item.name]
        chosen = TIE if value == 0 else left.method if value < 0 else right.method
        yield Choice(
            each.rater, left.case, _question(study, item.question), left.method, right.method,
            chosen, each.session, int(each.kind is Kind.REPEAT), each.seconds,
        )  # fmt: skip


def _check(study: Study, stimulus: Stimulus) -> Check:
    expected = stimulus.expected if stimulus.expected is not None else 1.0
    slack = SLIDER_SLACK if study.items[0].slider is not None else 0.0
    return Check(_name(stimulus), expected - slack, expected + slack)


def _name(stimulus: Stimulus) -> str:
    """Return what the analysis calls a stimulus."""
    return f"{stimulus.case}/{stimulus.method or 'attention check ' + stimulus.file}"


def _question(study: Study, question: str) -> str:
    return question if len(study.items) > 1 else ""


def _has_hidden_reference(study: Study) -> bool:
    return ORIGINAL in study.methods and study.panels is Panels.SINGLE
