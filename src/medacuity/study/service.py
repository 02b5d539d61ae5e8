"""What the server holds while it runs: the study, its database, and what it need not ask twice."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from medacuity.errors import StorageError
from medacuity.study.database import open_database
from medacuity.study.design import load
from medacuity.study.events import State, state_of
from medacuity.study.limits import Limit
from medacuity.study.schema import panel, rater, trial
from medacuity.study.sessions import SEEN_EVERY_S, Session, note_seen, session_of
from medacuity.study.tokens import hashed
from medacuity.study.writer import Change, Writer

K = TypeVar("K")
T = TypeVar("T")
TRUSTED_S = 10.0
"""How long a session is taken for open without asking the database again."""

KEPT = 2000


class Shown(NamedTuple):
    """A trial of a rater: its token, its kind, and token and stimulus of each panel."""

    token: str
    kind: str
    panels: tuple[tuple[str, int], ...]


class Course(NamedTuple):
    """All trials of a rater.

    Args:
        public: The name that the rater's outbox has.
        trials: In order.
        positions: Of trials, by token.
        stimuli: Of panels, by token.
    """

    public: str
    trials: tuple[Shown, ...]
    positions: dict[str, int]
    stimuli: dict[str, int]


class Service:
    """A study that is served.

    Args:
        folder: Of the study.
        url: Of its database; None for SQLite in the folder.
    """

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = Path(folder)
        self.study = load(folder)
        self.engine = open_database(folder, url, study=self.study)
        self.writer = Writer(self.engine)
        self.sessions: OrderedDict[str, tuple[Session, float]] = OrderedDict()
        self.courses: OrderedDict[int, Course] = OrderedDict()
        self.states: OrderedDict[int, State] = OrderedDict()
        self.entries = Limit(10 / 60, 10)
        self.events = Limit(5.0, 150)
        self.requests = Limit(40.0, 800)
        self.strangers = Limit(5.0, 100)

    def close(self) -> None:
        """Finish what is being written."""
        self.writer.close()
        self.engine.dispose()

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Ask the database, in a thread."""
        return await run_in_threadpool(self._read, question)

    async def write(self, change: Change[T]) -> T:
        """Change the database; returns when that is committed and on disk."""
        return await asyncio.wrap_future(self.writer.submit(change))

    async def session(self, cookie: str | None) -> Session | None:
        """Return the session that a cookie opens."""
        if not cookie or len(cookie) > 100:
            return None
        key, at = hashed(cookie), time.monotonic()
        known = self.sessions.get(key)
        if known is not None and at - known[1] < TRUSTED_S:
            return known[0]
        found = await self.read(lambda connection: session_of(connection, cookie))
        if found is None:
            self.sessions.pop(key, None)
            return None
        if time.time() - found.seen > SEEN_EVERY_S:
            self.writer.submit(lambda connection: note_seen(connection, found.number))
        _keep(self.sessions, key, (found, at))
        return found

    def forget_sessions(self) -> None:
        """Ask the database for every session again: one of them was ended."""
        self.sessions.clear()

    async def course(self, number: int) -> Course:
        """Return a rater's trials; they never change."""
        known = self.courses.get(number)
        if known is None:
            known = await self.read(lambda connection: course_of(connection, number))
            _keep(self.courses, number, known)
        return known

    async def state(self, number: int) -> State:
        """Return where a rater is."""
        found = await self.read(lambda connection: state_of(connection, number))
        return self.note_state(number, found)

    def note_state(self, number: int, state: State) -> State:
        """Remember where a rater was; another server may know better."""
        _keep(self.states, number, state)
        return state

    def _read(self, question: Callable[[Connection], T]) -> T:
        try:
            with self.engine.connect() as connection:
                return question(connection)
        except DBAPIError as error:
            raise StorageError("the study's database does not answer; try again") from error


def course_of(connection: Connection, number: int) -> Course:
    """Return the trials of a rater in order."""
    public = connection.execute(select(rater.c.public).where(rater.c.number == number)).scalar_one()
    rows = connection.execute(
        select(trial.c.token, trial.c.kind, panel.c.token.label("panel"), panel.c.stimulus)
        .join(panel, panel.c.trial == trial.c.token)
        .where(trial.c.rater == number)
        .order_by(trial.c.position, panel.c.place)
    ).all()
    trials: dict[str, Shown] = {}
    for row in rows:
        before = trials.get(row.token, Shown(row.token, row.kind, ()))
        trials[row.token] = before._replace(panels=(*before.panels, (row.panel, row.stimulus)))
    return Course(
        public,
        tuple(trials.values()),
        {token: position for position, token in enumerate(trials)},
        {row.panel: row.stimulus for row in rows},
    )


def _keep(cache: OrderedDict[K, T], key: K, value: T) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > KEPT:
        cache.popitem(last=False)
