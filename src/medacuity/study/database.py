"""The database of a study: SQLite in its folder, or PostgreSQL by a URL; durable, or refused."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from medacuity.errors import StorageError, UsageError
from medacuity.study.design import DATABASE, Study, load
from medacuity.study.schema import VERSION, metadata, setting

BUSY_MS = 10_000
FULL = 2
WRITING = "writing"
PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {BUSY_MS}",
)


def open_database(folder: str | Path, url: str | None = None, *, study: Study) -> Engine:
    """Return the engine of a study's database, whose tables are made if it is new.

    Args:
        folder: Of the study.
        url: ``postgresql://user:password@host/name``; None for SQLite in the folder.
        study: Whose answers it holds.

    Raises:
        UsageError: The URL is of no database that is known, or holds another study.
        StorageError: It cannot be reached or written, or would not be durable.
    """
    target = _url(folder, url)
    engine = _engine(target)
    try:
        with engine.execution_options(**{WRITING: True}).begin() as connection:
            _check_durable(connection)
            metadata.create_all(connection)
            _claim(connection, study)
        if target.get_backend_name() == "sqlite":
            os.chmod(str(target.database), 0o600)
    except DBAPIError as error:
        engine.dispose()
        raise StorageError(
            f"the study's database cannot be opened: {_first_line(error)}"
        ) from error
    except (StorageError, UsageError):
        engine.dispose()
        raise
    return engine


@contextmanager
def opened(folder: str | Path, url: str | None = None) -> Iterator[tuple[Study, Engine]]:
    """Open a study and its database for the time of a command."""
    study = load(folder)
    engine = open_database(folder, url, study=study)
    try:
        yield study, engine
    finally:
        engine.dispose()


def writing(engine: Engine) -> Engine:
    """Return the engine for transactions that write: SQLite locks at their beginning."""
    return engine.execution_options(**{WRITING: True})


def _url(folder: str | Path, url: str | None) -> URL:
    if url is None:
        return URL.create("sqlite", database=str(Path(folder) / DATABASE))
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            "a database is named by a URL such as postgresql://user:password@host/study"
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise UsageError(
            f"the database is SQLite or PostgreSQL, got {parsed.get_backend_name()}; see --help"
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise UsageError("answers need a database on disk; name a file: sqlite:///ratings.sqlite")
    return parsed


def _engine(url: URL) -> Engine:
    """Return an engine; connections that broke are replaced before they are used."""
    try:
        engine = create_engine(url, pool_size=8, max_overflow=8, pool_pre_ping=True)
    except NoSuchModuleError as error:
        raise UsageError(f"there is no driver for {url.drivername}; name postgresql://") from error
    except ModuleNotFoundError as error:
        raise UsageError(
            "PostgreSQL needs another package: pip install 'medacuity[postgres]'"
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = (
        None  # transactions begin where we say so, not at the driver's will
    )
    cursor = connection.cursor()
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Lock before the first read: two writers that both read first could only fail."""
    immediate = connection.get_execution_options().get(WRITING)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _check_durable(connection: Connection) -> None:
    """Refuse a database that would acknowledge what is not on disk."""
    if connection.dialect.name == "sqlite":
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
        wanted = {"journal_mode": "wal", "synchronous": FULL, "foreign_keys": 1}
        if found != wanted:
            raise StorageError(
                "the file system of the study does not allow SQLite's write-ahead log; put the "
                "study on a local disk, or name a PostgreSQL database"
            )
        return
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        if connection.scalar(text("SELECT current_setting(:name)"), {"name": name}) == "off":
            raise StorageError(
                f"PostgreSQL runs with {name} off and may lose answers; turn it on to rate"
            )


def _claim(connection: Connection, study: Study) -> None:
    """Note whose database it is, or refuse another's."""
    wanted = {"version": VERSION, "study": study.identity}
    found = {row.name: row.value for row in connection.execute(select(setting))}
    if not found:
        rows = [{"name": name, "value": value} for name, value in wanted.items()]
        connection.execute(insert(setting), rows)
    elif found.get("study") != study.identity:
        raise UsageError("this database holds another study; name an empty one")
    elif found.get("version") != VERSION:
        raise UsageError(
            f"this database was made by another version of medacuity (its tables: "
            f"{found.get('version')}, ours: {VERSION}); use that version"
        )


def _first_line(error: DBAPIError) -> str:
    return " ".join(str(error.orig).split())[:200]
