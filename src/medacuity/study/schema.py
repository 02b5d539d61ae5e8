"""The tables of a study's database, the same in SQLite and PostgreSQL.

``event`` is what happened, in the order of each rater's sequence, and is only ever added to.
``rating`` is what holds now: an answer adds a row, an undo takes it away, both in the
transaction of their event.
"""

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = "1"
TOKEN, HASH, NAME, TIME = 32, 64, 80, 32

metadata = MetaData()

setting = Table(
    "setting",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""The version of these tables, the study's identity, the hash of the administrator's secret."""

rater = Table(
    "rater",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("public", String(TOKEN), nullable=False, unique=True),
    Column("name", String(NAME), nullable=False, unique=True),
    Column("invitation", String(HASH), unique=True),
    Column("invited", String(TIME), nullable=False),
    Column("withdrawn", String(TIME)),
    Column("sequence", Integer, nullable=False, default=0),
    Column("position", Integer, nullable=False, default=0),
)
"""Numbers count from 1, and decide the order of trials. ``position``: the first one open."""

trial = Table(
    "trial",
    metadata,
    Column("token", String(TOKEN), primary_key=True),
    Column("rater", ForeignKey("rater.number"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", String(10), nullable=False),
    UniqueConstraint("rater", "position"),
)

panel = Table(
    "panel",
    metadata,
    Column("token", String(TOKEN), primary_key=True),
    Column("trial", ForeignKey("trial.token"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("stimulus", Integer, nullable=False),
    UniqueConstraint("trial", "place"),
)
"""What a trial shows from left to right. Its token is all that a rater gets to know of it."""

session = Table(
    "session",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("hash", String(HASH), nullable=False, unique=True),
    Column("rater", ForeignKey("rater.number")),
    Column("csrf", String(TOKEN), nullable=False),
    Column("created", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("ended", Float),
)
"""Of raters, or of the administrator where ``rater`` is null."""

event = Table(
    "event",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("rater", ForeignKey("rater.number"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("key", String(36), nullable=False),
    Column("event", String(10), nullable=False),
    Column("trial", ForeignKey("trial.token"), nullable=False),
    Column("answer", Text),
    Column("milliseconds", Integer),
    Column("sitting", ForeignKey("session.number"), nullable=False),
    Column("stored", String(TIME), nullable=False),
    UniqueConstraint("rater", "sequence"),
    UniqueConstraint("rater", "key"),
)

rating = Table(
    "rating",
    metadata,
    Column("trial", ForeignKey("trial.token"), primary_key=True),
    Column("event", ForeignKey("event.number"), nullable=False, unique=True),
    Column("rater", ForeignKey("rater.number"), nullable=False, index=True),
    Column("answer", Text, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("sitting", ForeignKey("session.number"), nullable=False),
    Column("stored", String(TIME), nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("at", String(TIME), nullable=False),
    Column("actor", String(NAME), nullable=False),
    Column("action", String(40), nullable=False),
    Column("detail", Text, nullable=False),
)
"""Who did what, besides rating: log-ins, failed ones, invitations, exports, refused events."""
