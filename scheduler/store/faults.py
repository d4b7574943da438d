"""What a driver's error means to us, and what the operator can do about it."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolIsEmpty

from scheduler.errors import (
    DatabaseDamaged,
    DatabaseFull,
    DatabaseOutdated,
    DatabaseUnavailable,
    SchedulerError,
)

_UPGRADE = "run `course db upgrade`"

#: What the message contains, what we raise, and the cure; the first match counts.
_BY_MESSAGE: tuple[tuple[str, type[SchedulerError], str], ...] = (
    ("no such table", DatabaseOutdated, _UPGRADE),
    ("no such column", DatabaseOutdated, _UPGRADE),
    ("has no column named", DatabaseOutdated, _UPGRADE),
    (
        "image is malformed",
        DatabaseDamaged,
        "stop the program and restore a backup (`course restore`)",
    ),
    (
        "not a database",
        DatabaseDamaged,
        "point DATABASE_URL at the right file, or restore a backup",
    ),
    ("is locked", DatabaseUnavailable, "another program holds it: try again in a moment"),
    ("is full", DatabaseFull, "free some disk space"),
    ("readonly", DatabaseUnavailable, "make the file and its folder writable for this user"),
    ("unable to open", DatabaseUnavailable, "check that its folder exists and is writable"),
    # Over a quota, or a limit on the size of a file, SQLite says no more than this.
    ("disk i/o", DatabaseFull, "check the disk and its free space"),
)

#: SQLSTATE of PostgreSQL (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_BY_SQLSTATE: dict[str, tuple[type[SchedulerError], str]] = {
    "42P01": (DatabaseOutdated, _UPGRADE),
    "42703": (DatabaseOutdated, _UPGRADE),
    "55P03": (DatabaseUnavailable, "another transaction holds a lock: try again in a moment"),
    "40P01": (DatabaseUnavailable, "two transactions met: try again"),
    "40001": (DatabaseUnavailable, "two transactions met: try again"),
    "53100": (DatabaseFull, "free some disk space on the database server"),
    "53300": (DatabaseUnavailable, "the server takes no more connections: raise max_connections"),
    "25006": (DatabaseUnavailable, "the server is read-only: connect to the primary"),
    "28P01": (DatabaseUnavailable, "check user and password in DATABASE_URL"),
    "28000": (DatabaseUnavailable, "check user and password in DATABASE_URL"),
    "3D000": (DatabaseUnavailable, "create the database, or correct its name in DATABASE_URL"),
    "XX001": (DatabaseDamaged, "stop the program and restore a backup"),
}

_AWAY = ("08", "57", "58")


def translate(error: SQLAlchemyError, where: str) -> SchedulerError | None:
    """Our error for a driver's; None if it is a programming mistake that should be seen as such."""
    if isinstance(error, PoolIsEmpty):
        return DatabaseUnavailable(f"{where}: all connections are busy: try again in a moment")
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    said = " ".join(str(error.orig).split())
    state = getattr(error.orig, "sqlstate", None)
    if state in _BY_SQLSTATE:
        kind, cure = _BY_SQLSTATE[state]
        return kind(f"{where}: {said}: {cure}")
    name = type(error.orig).__name__
    if state is None and name in ("OperationalError", "DatabaseError"):
        for fragment, kind, cure in _BY_MESSAGE:
            if fragment in said.lower():
                return kind(f"{where}: {said}: {cure}")
    if (
        error.connection_invalidated
        or name == "OperationalError"
        or (state or "").startswith(_AWAY)
    ):
        return DatabaseUnavailable(f"{where}: {said}: start it, or check DATABASE_URL")
    return None
