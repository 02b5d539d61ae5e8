"""Raters: invited, given their trials, withdrawn."""

import time
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select, update

from medacuity.errors import UsageError
from medacuity.study.design import Study
from medacuity.study.order import plan
from medacuity.study.schema import NAME, audit, panel, rater, session, trial
from medacuity.study.tokens import hashed, new_secret, new_token, now

MOST_RATERS = 10_000


class Invitation(NamedTuple):
    """A way in for one rater; the secret is known at this moment only."""

    number: int
    name: str
    secret: str

    @property
    def path(self) -> str:
        """The link below the server's address; what follows # is never sent to a server."""
        return f"/join#{self.secret}"


def invite(connection: Connection, study: Study, names: Sequence[str]) -> list[Invitation]:
    """Add raters, give each their trials in their own order, and return their ways in.

    Raises:
        UsageError: A name is empty, too long, or taken.
    """
    taken = {row.name for row in connection.execute(select(rater.c.name))}
    for name in names:
        if not 0 < len(name) <= NAME or not name.isprintable() or name != name.strip():
            raise UsageError(f"a rater has a name of 1 to {NAME} letters, got {name!r}")
        if name in taken:
            raise UsageError(f"raters need names of their own; {name!r} is taken")
        taken.add(name)
    if len(taken) > MOST_RATERS:
        raise UsageError(f"a study has at most {MOST_RATERS} raters, got {len(taken)}")
    highest = connection.scalar(select(func.max(rater.c.number)))
    first = (highest or 0) + 1
    return [_invite(connection, study, number, name) for number, name in enumerate(names, first)]


def numbered(connection: Connection, count: int) -> list[str]:
    """Return that many names that are not taken: R01, R02, and so on."""
    taken = {row.name for row in connection.execute(select(rater.c.name))}
    free = (name for n in range(1, MOST_RATERS + 1) if (name := f"R{n:02d}") not in taken)
    return list(islice(free, max(count, 0)))


def _invite(connection: Connection, study: Study, number: int, name: str) -> Invitation:
    secret = new_secret()
    connection.execute(
        insert(rater).values(
            number=number, public=new_token(), name=name, invitation=hashed(secret), invited=now()
        )
    )
    trials, panels = [], []
    for position, each in enumerate(plan(study, number)):
        token = new_token()
        trials.append(
            {"token": token, "rater": number, "position": position, "kind": each.kind.value}
        )
        panels += [
            {"token": new_token(), "trial": token, "place": place, "stimulus": stimulus}
            for place, stimulus in enumerate(each.stimuli)
        ]
    connection.execute(insert(trial), trials)
    connection.execute(insert(panel), panels)
    note(connection, "administrator", "invite", f"rater {number}")
    return Invitation(number, name, secret)


def renew(connection: Connection, number: int) -> Invitation | None:
    """Return a new way in for a rater and close the old one; None if there is no such rater."""
    secret = new_secret()
    changed = connection.execute(
        update(rater)
        .where(rater.c.number == number, rater.c.withdrawn.is_(None))
        .values(invitation=hashed(secret))
    )
    if not changed.rowcount:
        return None
    end_sessions(connection, number)
    note(connection, "administrator", "renew", f"rater {number}")
    name = connection.scalar(select(rater.c.name).where(rater.c.number == number))
    return Invitation(number, str(name), secret)


def withdraw(connection: Connection, number: int) -> bool:
    """Close a rater's way in and sessions; the answers stay. False if there is no such rater."""
    changed = connection.execute(
        update(rater)
        .where(rater.c.number == number, rater.c.withdrawn.is_(None))
        .values(withdrawn=now(), invitation=None)
    )
    end_sessions(connection, number)
    note(connection, "administrator", "withdraw", f"rater {number}")
    return bool(changed.rowcount)


def end_sessions(connection: Connection, number: int | None) -> None:
    """End all sessions of a rater, or of the administrator."""
    connection.execute(
        update(session)
        .where(session.c.rater.is_(None) if number is None else session.c.rater == number)
        .where(session.c.ended.is_(None))
        .values(ended=time.time())
    )


def note(connection: Connection, actor: str, action: str, detail: str) -> None:
    """Add a line to the audit log."""
    connection.execute(
        insert(audit).values(at=now(), actor=actor, action=action, detail=detail[:500])
    )
