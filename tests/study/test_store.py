"""An acknowledged answer is on disk, once, whatever happens; the same on PostgreSQL.

- What waits together is committed together; what fails there takes nothing else with it.
- The database is durable, or is not opened; it belongs to one study; its file is private.
- Killed at random moments (SIGKILL) the server loses nothing that it acknowledged and doubles
  nothing, with raters that send again as browsers do; the database stays whole.
- With a full disk nothing is acknowledged, and everything goes on when there is room again.
- Several writers at once, as of several servers on one PostgreSQL, keep the log gapless.
- A connection cut at any byte leaves a whole answer or none.
"""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest
from making import Visitor, invitations, make_study
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from medacuity.errors import StorageError, UsageError
from medacuity.study.database import open_database, opened, writing
from medacuity.study.events import Event, record, state_of
from medacuity.study.raters import invite
from medacuity.study.schema import audit, event, rater, rating, setting, trial
from medacuity.study.web import create_app
from medacuity.study.writer import Writer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from study_postgres import is_installed, postgres

SERVER = (
    "import sys, uvicorn; from medacuity.study.web import create_app;"
    "uvicorn.run(create_app(sys.argv[1], database=sys.argv[3] or None), port=int(sys.argv[2]),"
    "log_level='critical')"
)
PATIENCE_S = 600.0
needs_postgres = pytest.mark.skipif(not is_installed(), reason="no PostgreSQL here")


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL of our own, for all tests of this file."""
    if not is_installed():
        pytest.skip("no PostgreSQL here")
    with postgres() as url:
        yield url


POSTGRES = pytest.param("postgres", marks=[needs_postgres])
SLOW_POSTGRES = pytest.param("postgres", marks=[needs_postgres, pytest.mark.slow])


@pytest.fixture(params=["sqlite", SLOW_POSTGRES])
def database(request):
    """None for SQLite, or the URL of a new database."""
    if request.param == "sqlite":
        return None
    return new_database(request.getfixturevalue("server"))


def new_database(url):
    from sqlalchemy import create_engine

    name = f"d{uuid.uuid4().hex}"
    engine = create_engine(
        url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def folder(tmp_path):
    make_study(tmp_path / "study", methods=3, cases=4)
    return tmp_path / "study"


def answers_in(folder, database=None):
    with opened(folder, database) as (_, engine), engine.connect() as connection:
        rows = connection.execute(
            select(event.c.key, trial.c.rater, trial.c.position, rating.c.answer)
            .join(rating, rating.c.event == event.c.number)
            .join(trial, trial.c.token == rating.c.trial)
            .order_by(trial.c.rater, trial.c.position)
        )
        return rows.all()


def test_changes_are_committed_together_and_fail_alone(folder, database):
    with opened(folder, database) as (_, engine):
        writer = Writer(engine)
        gate = threading.Event()
        first = writer.submit(lambda connection: gate.wait(10))
        good = [
            writer.submit(lambda c, n=n: c.execute(add_setting(f"good {n}")).is_insert)
            for n in range(5)
        ]
        twice = writer.submit(lambda c: c.execute(add_setting("good 0")).is_insert)
        odd = writer.submit(lambda c: 1 // 0)
        polite = writer.submit(refused)
        last = writer.submit(lambda c: c.execute(add_setting("last")).is_insert)
        gate.set()
        assert first.result(10)
        assert [future.result(10) for future in [*good, last]] == [True] * 6
        assert isinstance(twice.exception(10), StorageError)
        assert isinstance(twice.exception().__cause__, IntegrityError)
        assert isinstance(odd.exception(10), StorageError)
        assert isinstance(polite.exception(10), UsageError)
        writer.close()
        with engine.connect() as connection:
            names = {row.name for row in connection.execute(select(setting))}
    assert {f"good {n}" for n in range(5)} | {"last"} <= names


def add_setting(name):
    return insert(setting).values(name=name, value="")


def refused(connection):
    raise UsageError("no")


def test_the_database_is_durable_private_and_of_one_study(folder, tmp_path):
    with opened(folder) as (study, engine), engine.connect() as connection:
        for name, wanted in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
            assert connection.exec_driver_sql(f"PRAGMA {name}").scalar() == wanted
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() >= 5000
        assert (folder / "ratings.sqlite").stat().st_mode & 0o077 == 0
    other = make_study(tmp_path / "other")
    with pytest.raises(UsageError, match="another study"):
        open_database(folder, study=other)
    with opened(folder) as (_, engine), writing(engine).begin() as connection:
        connection.execute(setting.update().where(setting.c.name == "version").values(value="9"))
    with pytest.raises(UsageError, match="another version"):
        open_database(folder, study=study)


def test_a_file_that_is_no_database_is_refused(folder):
    (folder / "ratings.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="cannot be opened"), opened(folder):
        pass


@pytest.mark.parametrize(
    "url", ["mysql://localhost/x", "nonsense", "sqlite://", "sqlite:///:memory:", "oracle://x"]
)
def test_other_databases_are_refused(folder, url):
    with pytest.raises((UsageError, StorageError)), opened(folder, url):
        pass


@pytest.mark.slow
@needs_postgres
def test_a_postgres_that_may_lose_answers_is_refused(folder, server):
    url = new_database(server) + "&options=-csynchronous_commit%3Doff"
    with pytest.raises(StorageError, match="synchronous_commit off"), opened(folder, url):
        pass
    with pytest.raises(StorageError, match="cannot be opened"):
        open_database(folder, "postgresql://nobody@/none?host=/nowhere", study=opened_study(folder))


def opened_study(folder):
    with opened(folder) as (study, _):
        return study


@pytest.mark.parametrize("database", ["sqlite", POSTGRES], indirect=True)
def test_a_whole_study_is_rated(folder, database):
    (secret,) = invitations(folder, 1, database=database)
    app = create_app(folder, database=database)
    with Visitor(app) as visitor:
        visitor.enter(secret)
        for value in (1, 2, 3, 4, 5):
            assert visitor.answer(value).status_code == 200
        assert visitor.say("/api/events", visitor.make_undo()).status_code == 200
        body = visitor.make_answer(1)
        for _ in range(3):
            assert visitor.say("/api/events", body).status_code == 200
        assert visitor.answer(sequence=3).status_code == 409
    found = [json.loads(row.answer)["q1"] for row in answers_in(folder, database)]
    assert found == [1, 2, 3, 4, 1]


def test_the_log_is_gapless_whatever_comes_at_once(folder, database):
    """Eight threads send the same and different events of one rater, without any writer."""
    with opened(folder, database) as (study, engine):
        with writing(engine).begin() as connection:
            invite(connection, study, ["one"])
            connection.execute(text("INSERT INTO session (number, hash, rater, csrf, created, seen)"
                                    " VALUES (1, 'h', 1, 'c', 0, 0)"))  # fmt: skip
        with engine.connect() as connection:
            rows = connection.execute(select(trial).order_by(trial.c.position)).all()
        stored = []

        def send(worker):
            rng = random.Random(worker)
            for row in rows:
                new = Event(
                    str(uuid.UUID(int=rng.getrandbits(128))), row.position + 1, "answer",
                    row.token, {"q1": worker % 5 + 1}, 10,
                )  # fmt: skip
                done, at = False, row.position
                for _ in range(50):
                    try:
                        with writing(engine).begin() as connection:
                            done = record(connection, 1, new, sitting=1, at=at)[0]
                        break
                    except Exception:
                        time.sleep(0.01)
                if done:
                    stored.append((row.position, worker))

        threads = [threading.Thread(target=send, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with engine.connect() as connection:
            log = connection.execute(select(event).order_by(event.c.sequence)).all()
            assert state_of(connection, 1) == (len(log), len(log))
    assert [row.sequence for row in log] == list(range(1, len(log) + 1))
    assert len({row.trial for row in log}) == len(log) == len(stored)
    assert len(log) >= 1


def test_with_a_full_disk_nothing_is_acknowledged_and_it_goes_on(folder):
    (secret,) = invitations(folder, 1)
    app = create_app(folder)
    with Visitor(app) as visitor:
        visitor.enter(secret)
        assert visitor.answer(1).status_code == 200
        body = visitor.make_answer(2)

        with app.state.service.engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        app.state.service.writer.engine.dispose()
        limit = limited_pages(app.state.service.engine, pages)
        replies = [visitor.say("/api/events", {**body, "sequence": 2}) for _ in range(3)]
        codes = {reply.status_code for reply in replies}
        if codes == {200}:  # it still fitted: fill it
            for _ in range(9):
                reply = visitor.answer(3)
                codes.add(reply.status_code)
                if reply.status_code == 503:
                    break
        limit()
        assert codes <= {200, 503}
        assert visitor.get("/api/session").status_code == 200
        position = visitor.state()["position"]
        assert len(answers_in(folder)) == position
        assert visitor.answer(5).status_code == 200


def limited_pages(engine, pages):
    """Let no connection add pages to the database, until the returned function is called."""
    from sqlalchemy import event as events

    def limit(connection, record):
        connection.execute(f"PRAGMA max_page_count = {pages}")

    events.listen(engine, "connect", limit)
    engine.dispose()

    def lift():
        events.remove(engine, "connect", limit)
        engine.dispose()

    return lift


def test_a_database_that_is_away_is_503(folder, monkeypatch):
    (secret,) = invitations(folder, 1)
    app = create_app(folder)
    with Visitor(app) as visitor:
        visitor.enter(secret)
        body = visitor.make_answer()

        def away(*_, **__):
            raise IntegrityError("select", {}, Exception("gone"))

        monkeypatch.setattr("medacuity.study.rating_api.record", away)
        reply = visitor.say("/api/events", body)
        assert (reply.status_code, reply.json()["error"]) == (503, "storage")
        assert int(reply.headers["retry-after"]) >= 1
        monkeypatch.undo()
        assert visitor.say("/api/events", body).status_code == 200
    assert len(answers_in(folder)) == 1


class Rater(threading.Thread):
    """A browser with an outbox: sends an event until it hears that it is stored.

    Args:
        port: Of the server.
        secret: Of the invitation.
        count: Answers to give.
    """

    def __init__(self, port, secret, count):
        super().__init__(daemon=True)
        self.port, self.secret, self.count = port, secret, count
        self.acknowledged, self.cookie, self.csrf, self.faults = {}, "", "", []

    def run(self):
        found = self.ask("/api/session", {"token": self.secret})
        self.csrf = found["csrf"]
        rng = random.Random(self.secret)
        for position in range(self.count):
            (shown,) = self.ask(f"/api/trials?from={position}&count=1")["trials"]
            value = rng.randint(1, 5)
            body = {
                "key": str(uuid.uuid4()), "sequence": position + 1, "event": "answer",
                "trial": shown["trial"], "values": {"q1": value}, "milliseconds": 5,
            }  # fmt: skip
            self.ask("/api/events", body)
            self.acknowledged[body["key"]] = (position, value)

    def ask(self, path, body=None):
        patience = time.monotonic() + PATIENCE_S
        while time.monotonic() < patience:
            request = urllib.request.Request(
                f"http://127.0.0.1:{self.port}{path}",
                None if body is None else json.dumps(body).encode(),
                {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/json",
                 "Cookie": self.cookie, "X-CSRF-Token": self.csrf},
            )  # fmt: skip
            try:
                with urllib.request.urlopen(request, timeout=20) as reply:
                    given = reply.headers.get("set-cookie")
                    self.cookie = given.split(";")[0] if given else self.cookie
                    return json.loads(reply.read())
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503):
                    self.faults.append(f"{path}: {error.code} {error.read()!r}")
                    raise
                time.sleep(0.1)
            except (OSError, http.client.HTTPException):  # the server went away in mid-sentence
                time.sleep(0.05)
        raise RuntimeError("the server never came back")


def start(folder, port, database):
    return subprocess.Popen(
        [sys.executable, "-c", SERVER, str(folder), str(port), database or ""],
        stderr=subprocess.DEVNULL,
    )


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def killed_at_random(folder, database, *, raters, answers, kills, seed):
    """Rate while the server is killed again and again; return the raters."""
    port, rng = free_port(), random.Random(seed)
    secrets = invitations(folder, raters, database=database)
    people = [Rater(port, secret, answers) for secret in secrets]
    process = start(folder, port, database)
    try:
        for person in people:
            person.start()
        for _ in range(kills):
            before = sum(len(person.acknowledged) for person in people)
            deadline = time.monotonic() + PATIENCE_S
            wanted = before + rng.randint(1, max(2, raters * answers // kills // 2))
            while (
                time.monotonic() < deadline
                and any(person.is_alive() for person in people)
                and sum(len(person.acknowledged) for person in people) < wanted
            ):
                time.sleep(rng.random() * 0.01)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            process = start(folder, port, database)
        for person in people:
            person.join(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    return people


def check_nothing_is_lost(folder, database, people, answers):
    rows = answers_in(folder, database)
    assert not [fault for person in people for fault in person.faults]
    assert len(rows) == len(people) * answers
    assert len({(row.rater, row.position) for row in rows}) == len(rows)
    stored = {row.key: (row.position, json.loads(row.answer)["q1"]) for row in rows}
    acknowledged = {key: said for person in people for key, said in person.acknowledged.items()}
    assert acknowledged == stored
    with opened(folder, database) as (_, engine), engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        for row in connection.execute(select(rater)):
            assert row.sequence == row.position == answers
        assert not [r for r in connection.execute(select(audit)) if r.action == "conflict"]


def test_killed_the_server_loses_and_doubles_nothing(folder):
    people = killed_at_random(folder, None, raters=3, answers=12, kills=2, seed=1)
    check_nothing_is_lost(folder, None, people, 12)


@pytest.mark.slow
def test_a_connection_cut_anywhere_leaves_a_whole_answer_or_none(folder):
    port = free_port()
    (secret,) = invitations(folder, 1)
    process = start(folder, port, None)
    try:
        person = Rater(port, secret, 0)
        person.csrf = person.ask("/api/session", {"token": secret})["csrf"]
        for position in range(12):
            (shown,) = person.ask(f"/api/trials?from={position}&count=1")["trials"]
            body = json.dumps({
                "key": str(uuid.uuid4()), "sequence": position + 1, "event": "answer",
                "trial": shown["trial"], "values": {"q1": 1 + position % 5}, "milliseconds": 5,
            })  # fmt: skip
            request = (
                f"POST /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                f"Origin: http://127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
                f"Cookie: {person.cookie}\r\nX-CSRF-Token: {person.csrf}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            ).encode()
            for cut in range(position, len(request) + 1, 24):
                with socket.create_connection(("127.0.0.1", port)) as line:
                    line.sendall(request[:cut])
            for _ in range(2):  # whole, and gone before the reply; then again
                with socket.create_connection(("127.0.0.1", port)) as line:
                    line.sendall(request)
            person.ask("/api/events", json.loads(body))
        assert not person.faults
    finally:
        process.kill()
        process.wait()
    rows = answers_in(folder)
    assert [json.loads(row.answer)["q1"] for row in rows] == [1 + n % 5 for n in range(12)]


@pytest.mark.slow
def test_killed_often_the_server_loses_and_doubles_nothing(tmp_path, database):
    make_study(tmp_path / "long", methods=5, cases=12)
    people = killed_at_random(tmp_path / "long", database, raters=8, answers=50, kills=20, seed=2)
    check_nothing_is_lost(tmp_path / "long", database, people, 50)
