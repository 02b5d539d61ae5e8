"""How far a study is: what the administrator sees while raters rate."""

from collections import Counter
from typing import Any

from sqlalchemy import Connection, Select, func, select

from medacuity.study.design import Study
from medacuity.study.export import answers, passed
from medacuity.study.order import Kind
from medacuity.study.schema import event, rater, rating, trial


def progress(connection: Connection, study: Study) -> dict[str, Any]:
    """Return the progress of a study and every rater, as the administrator's page takes it."""
    totals = _by_rater(connection, select(trial.c.rater, func.count()).group_by(trial.c.rater))
    last = select(rating.c.rater, func.max(rating.c.stored)).group_by(rating.c.rater)
    latest, medians = _by_rater(connection, last), _by_rater(connection, _medians())
    seen, right = Counter[str](), Counter[str]()
    for check in answers(connection, study, kind=Kind.CHECK):
        seen[check.rater] += 1
        right[check.rater] += passed(study, check)
    rows = connection.execute(select(rater).order_by(rater.c.number)).all()
    return {
        "title": study.title,
        "scale": study.scale,
        "trials": max(totals.values(), default=0),
        "stimuli": sum(not stimulus.is_check for stimulus in study.stimuli),
        "answers": sum(row.position for row in rows),
        "started": connection.scalar(select(func.min(event.c.stored))),
        "raters": [
            {
                "number": row.number,
                "name": row.name,
                "answered": row.position,
                "total": totals[row.number],
                "finished": row.position >= totals[row.number],
                "withdrawn": row.withdrawn is not None,
                "last": latest.get(row.number),
                "median_seconds": _seconds(medians.get(row.number)),
                "checks_passed": right[row.name],
                "checks_seen": seen[row.name],
            }
            for row in rows
        ],
    }


def _medians() -> Select[Any]:
    """Return a query for the median time of an answer (the lower of two) per rater."""
    mine, quickest = rating.c.rater, rating.c.milliseconds
    ordered = select(
        rating.c.rater,
        rating.c.milliseconds,
        func.row_number().over(partition_by=mine, order_by=quickest).label("place"),
        func.count().over(partition_by=mine).label("number"),
    ).subquery()
    twice = 2 * ordered.c.place
    return select(ordered.c.rater, ordered.c.milliseconds).where(
        twice >= ordered.c.number, twice <= ordered.c.number + 1
    )


def _by_rater(connection: Connection, query: Select[Any]) -> dict[int, Any]:
    return {row[0]: row[1] for row in connection.execute(query)}


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 1)
