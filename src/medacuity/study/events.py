"""What raters do: answers and undos, in one gapless, ordered log per rater."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from medacuity.study.design import Study
from medacuity.study.raters import note
from medacuity.study.schema import event, rater, rating
from medacuity.study.tokens import now

ANSWER, UNDO = "answer", "undo"
KEY = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TOKEN = re.compile(r"[A-Za-z0-9_-]{16,32}")
LONGEST_MS = 24 * 3600 * 1000
LAST_SEQUENCE = 2**31 - 1


class Event(NamedTuple):
    """Something a rater did.

    Args:
        key: Made by the rater's browser; the same when it is sent again.
        sequence: One more than that of the rater's last event.
        event: ``answer`` or ``undo``.
        trial: The trial's token.
        answer: A number per item; None for an undo.
        milliseconds: How long the rater took.
    """

    key: str
    sequence: int
    event: str
    trial: str
    answer: Mapping[str, float] | None
    milliseconds: int

    @property
    def written(self) -> str | None:
        """The answer as it is stored."""
        return None if self.answer is None else json.dumps(self.answer, sort_keys=True)


class State(NamedTuple):
    """Where a rater is: the last event stored, the first trial that is open."""

    sequence: int
    position: int


def parse(study: Study, body: object) -> Event | None:
    """Return the event that a rater's browser sent; None if it can never be stored."""
    if not isinstance(body, dict):
        return None
    values = body.get("values") if body.get("event") == ANSWER else None
    wanted = {"key", "sequence", "event", "trial"}
    if body.get("event") == ANSWER:
        wanted |= {"values", "milliseconds"}
    if set(body) != wanted or not _well_formed(body):
        return None
    if body["event"] == ANSWER and not _answers(study, values):
        return None
    return Event(
        body["key"].lower(), body["sequence"], body["event"], body["trial"], values,
        body.get("milliseconds", 0),
    )  # fmt: skip


def _well_formed(body: Mapping[str, Any]) -> bool:
    texts = {"key": KEY, "trial": TOKEN}
    numbers = {"sequence": LAST_SEQUENCE, "milliseconds": LONGEST_MS}
    return (
        body["event"] in (ANSWER, UNDO)
        and all(isinstance(body[n], str) and form.fullmatch(body[n]) for n, form in texts.items())
        and all(
            type(body.get(n, 0)) is int and 0 <= body.get(n, 0) <= most
            for n, most in numbers.items()
        )
    )


def _answers(study: Study, values: object) -> bool:
    if not isinstance(values, dict) or set(values) != {item.name for item in study.items}:
        return False
    return all(item.accepts(values[item.name]) for item in study.items)


def state_of(connection: Connection, number: int) -> State:
    """Return where a rater is."""
    row = connection.execute(
        select(rater.c.sequence, rater.c.position).where(rater.c.number == number)
    ).one()
    return State(row.sequence, row.position)


def record(
    connection: Connection, number: int, new: Event, *, sitting: int, at: int | None
) -> tuple[bool, State]:
    """Store an event once, and return whether it is stored, and where the rater is then.

    The same event again is stored already, so that a browser may send it until it hears so.
    What another tab or device was faster with, or comes out of order, is not stored.

    Args:
        connection: In a transaction that writes.
        number: Of the rater.
        new: What was done.
        sitting: The number of the session.
        at: The position of the trial among the rater's; None if it is not one of them.
    """
    before = connection.execute(
        select(event.c.event, event.c.trial, event.c.answer).where(
            event.c.rater == number, event.c.key == new.key
        )
    ).first()
    state = state_of(connection, number)
    if before is not None:
        return tuple(before) == (new.event, new.trial, new.written), state
    open_now = state.position if new.event == ANSWER else state.position - 1
    after = State(new.sequence, state.position + (1 if new.event == ANSWER else -1))
    if (
        new.sequence != state.sequence + 1
        or at != open_now
        or not _advance(connection, number, state, after)
    ):
        note(connection, f"rater {number}", "conflict", _described(new))
        return False, state_of(connection, number)
    _store(connection, number, sitting, new)
    return True, after


def _advance(connection: Connection, number: int, state: State, after: State) -> bool:
    """Move a rater on, unless another process just did."""
    changed = connection.execute(
        update(rater)
        .where(rater.c.number == number, rater.c.sequence == state.sequence)
        .values(sequence=after.sequence, position=after.position)
    )
    return changed.rowcount == 1


def _store(connection: Connection, number: int, sitting: int, new: Event) -> None:
    shared = {"rater": number, "trial": new.trial, "sitting": sitting, "stored": now()}
    given = {"answer": new.written, "milliseconds": new.milliseconds}
    done = connection.execute(
        insert(event).values(key=new.key, sequence=new.sequence, event=new.event, **shared, **given)
    )
    if new.event == UNDO:
        connection.execute(delete(rating).where(rating.c.trial == new.trial))
    else:
        (added,) = done.inserted_primary_key or (None,)
        connection.execute(insert(rating).values(event=added, **shared, **given))


def _described(new: Event) -> str:
    return f"{new.event} {new.sequence} {new.key} {new.trial} {new.written}"
