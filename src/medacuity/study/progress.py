"""How far a study is: what the administrator sees while raters rate."""

import json
import statistics
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, func, select

from medacuity.study.design import Study
from medacuity.study.export import Answered, passed
from medacuity.study.order import Kind
from medacuity.study.schema import event, panel, rater, rating, trial


class Progress:
    """The progress of every rater; what has not changed since is not read again.

    Args:
        study: The study.
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.known: dict[int, tuple[int, dict[str, Any]]] = {}

    def __call__(self, connection: Connection) -> dict[str, Any]:
        """Return the progress as the administrator's page takes it."""
        counted = select(trial.c.rater, func.count().label("trials")).group_by(trial.c.rater)
        totals = {row.rater: row.trials for row in connection.execute(counted)}
        rows = connection.execute(select(rater).order_by(rater.c.number)).all()
        raters = []
        for row in rows:
            before = self.known.get(row.number)
            if before is None or before[0] != row.sequence:
                before = (row.sequence, self._details(connection, row.number))
                self.known[row.number] = before
            raters.append({
                "number": row.number, "name": row.name, "answered": row.position,
                "total": totals.get(row.number, 0),
                "finished": row.position >= totals.get(row.number, 0),
                "withdrawn": row.withdrawn is not None, **before[1],
            })  # fmt: skip
        return {
            "title": self.study.title,
            "scale": self.study.scale,
            "trials": max(totals.values(), default=0),
            "stimuli": sum(not stimulus.is_check for stimulus in self.study.stimuli),
            "answers": sum(row.position for row in rows),
            "started": connection.scalar(select(func.min(event.c.stored))),
            "raters": raters,
        }

    def _details(self, connection: Connection, number: int) -> dict[str, Any]:
        mine = select(rating.c.milliseconds, rating.c.stored).where(rating.c.rater == number)
        rows = connection.execute(mine).all()
        checks = [passed(self.study, each) for each in self._checks(connection, number)]
        seconds = [row.milliseconds / 1000 for row in rows]
        return {
            "last": max((row.stored for row in rows), default=None),
            "median_seconds": round(statistics.median(seconds), 1) if seconds else None,
            "checks_passed": sum(checks),
            "checks_seen": len(checks),
        }

    def _checks(self, connection: Connection, number: int) -> Iterator[Answered]:
        rows = connection.execute(
            select(trial.c.token, rating.c.answer, panel.c.stimulus)
            .join(trial, trial.c.token == rating.c.trial)
            .join(panel, panel.c.trial == trial.c.token)
            .where(rating.c.rater == number, trial.c.kind == Kind.CHECK.value)
            .order_by(trial.c.position, panel.c.place)
        ).all()
        for token in dict.fromkeys(row.token for row in rows):
            own = [row for row in rows if row.token == token]
            shown = tuple(self.study.stimuli[row.stimulus] for row in own)
            yield Answered("", Kind.CHECK, shown, json.loads(own[0].answer), 0.0, "")
