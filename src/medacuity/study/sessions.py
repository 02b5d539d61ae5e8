"""Sessions: who is let in, by which secret, for how long."""

import time
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from medacuity.study.raters import end_sessions, note
from medacuity.study.schema import rater, session, setting
from medacuity.study.tokens import hashed, new_secret, new_token, same

IDLE_S, LONGEST_S = 12 * 3600.0, 14 * 24 * 3600.0
ADMIN_IDLE_S, ADMIN_LONGEST_S = 3600.0, 12 * 3600.0
SEEN_EVERY_S = 60.0
"""How often the time of the last request is noted."""

SECRET = "administrator"


class Session(NamedTuple):
    """Who is there.

    Args:
        number: Of the sitting.
        rater: None for the administrator.
        csrf: What the page must say with every change.
        seen: When its last request was noted.
    """

    number: int
    rater: int | None
    csrf: str
    seen: float


def renew_administrator(connection: Connection) -> str:
    """Return a new secret for the administrator; the old one and its sessions end."""
    secret = new_secret()
    connection.execute(delete(setting).where(setting.c.name == SECRET))
    connection.execute(insert(setting).values(name=SECRET, value=hashed(secret)))
    end_sessions(connection, None)
    note(connection, "administrator", "secret", "renewed")
    return secret


def has_administrator(connection: Connection) -> bool:
    """Tell whether an administrator's secret was ever given out."""
    return connection.scalar(select(setting.c.value).where(setting.c.name == SECRET)) is not None


def enter(connection: Connection, secret: str) -> tuple[str, int] | None:
    """Return the cookie of a new session and its rater; None if the invitation is unknown."""
    found = connection.execute(
        select(rater.c.number, rater.c.invitation).where(rater.c.invitation == hashed(secret))
    ).first()
    if found is None or not same(found.invitation, hashed(secret)):
        note(connection, "nobody", "refused", "invitation")
        return None
    note(connection, f"rater {found.number}", "enter", "")
    return _open(connection, found.number), found.number


def enter_administrator(connection: Connection, secret: str) -> str | None:
    """Return the cookie of a new session; None if the secret is wrong."""
    kept = connection.scalar(select(setting.c.value).where(setting.c.name == SECRET)) or ""
    if not same(kept, hashed(secret)):
        note(connection, "nobody", "refused", "administrator")
        return None
    note(connection, "administrator", "enter", "")
    return _open(connection, None)


def _open(connection: Connection, number: int | None) -> str:
    cookie, at = new_secret(), time.time()
    connection.execute(
        insert(session).values(
            hash=hashed(cookie), rater=number, csrf=new_token(), created=at, seen=at
        )
    )
    return cookie


def session_of(connection: Connection, cookie: str) -> Session | None:
    """Return the session that a cookie opens; None if there is none, or it has ended."""
    row = connection.execute(
        select(session).where(session.c.hash == hashed(cookie), session.c.ended.is_(None))
    ).first()
    if row is None:
        return None
    idle, longest = (ADMIN_IDLE_S, ADMIN_LONGEST_S) if row.rater is None else (IDLE_S, LONGEST_S)
    at = time.time()
    if at - row.seen > idle or at - row.created > longest:
        return None
    return Session(row.number, row.rater, row.csrf, row.seen)


def note_seen(connection: Connection, number: int) -> None:
    """Note that a session was just used."""
    connection.execute(update(session).where(session.c.number == number).values(seen=time.time()))


def end_session(connection: Connection, number: int) -> None:
    """End one session."""
    connection.execute(update(session).where(session.c.number == number).values(ended=time.time()))
