"""SQLite set up so that a committed row survives power loss and writers queue fairly.

WAL with `synchronous=FULL` needs a library without the WAL-reset bug; with any other the
rollback journal is used. Never maps the file into memory. Refuses to know our tables.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import sleep
from types import ModuleType
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from scheduler.errors import DatabaseUnavailable

#: `UPDATE ... FROM` and `RETURNING` came with this one.
OLDEST = (3, 35, 0)

#: A file up to this size is read through in well under a second.
QUICKLY_CHECKED_BYTES = 64 * 1024 * 1024

#: Between two tries to set a new file's journal.
_JOURNAL_PAUSE_SECONDS = 0.02

#: What a transaction is for (execution option `intent`), and the settings it needs first.
INTENTS = {
    "read": ("PRAGMA query_only=ON",),
    "write": ("PRAGMA query_only=OFF", "PRAGMA foreign_keys=ON"),
    # A migration rebuilds tables; with foreign keys on, dropping the old one would cascade.
    "migrate": ("PRAGMA query_only=OFF", "PRAGMA foreign_keys=OFF"),
}


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Is this SQLite free of the WAL-reset bug (3.7.0 to 3.51.2, https://sqlite.org/wal.html)?

    Fixed in 3.51.3, and in the backports 3.50.7 and 3.44.6.
    """
    return (
        version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)
    )


def driver() -> ModuleType:
    """`pysqlite3` if it is there and its library is sound, else Python's own `sqlite3`."""
    try:
        import pysqlite3.dbapi2 as bundled
    except ImportError:
        return sqlite3
    module: ModuleType = bundled
    return module if wal_is_safe(module.sqlite_version_info) else sqlite3


def open_engine(url: URL, busy_seconds: float) -> Engine:
    """An engine whose every connection is set up; creates the folder and an empty file (0600)."""
    module = driver()
    if module.sqlite_version_info < OLDEST:
        raise DatabaseUnavailable(
            f"SQLite {module.sqlite_version} is too old: install `pysqlite3`, or a Python whose "
            f"SQLite is {'.'.join(map(str, OLDEST))} or later"
        )
    options: dict[str, Any] = {"pool_timeout": busy_seconds}
    if in_memory(url):
        # One connection is the database: whoever holds it, others wait.
        options |= {"pool_size": 1, "max_overflow": 0}
    else:
        _prepare_file(Path(str(url.database)))
        options |= {"pool_size": 5, "max_overflow": 40}
    engine = create_engine(
        url,
        module=module,
        poolclass=_queue_pool(),
        connect_args={"timeout": busy_seconds, "check_same_thread": False},
        **options,
    )
    journal = "WAL" if wal_is_safe(module.sqlite_version_info) else "TRUNCATE"

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        # The driver must not open transactions of its own: `begin` below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        _set_journal(cursor, journal, busy_seconds, module)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "mmap_size=0",
            # What is erased is overwritten, not only unlinked.
            "secure_delete=ON",
            "cache_size=-8000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
            cursor.fetchall()
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        intent = connection.get_execution_options().get("intent", "read")
        if connection.info.get("intent") != intent:
            for pragma in INTENTS[intent]:
                connection.exec_driver_sql(pragma)
            connection.info["intent"] = intent
        # A deferred transaction that turns into a writer ignores the busy timeout.
        connection.exec_driver_sql("BEGIN" if intent == "read" else "BEGIN IMMEDIATE")

    return engine


def in_memory(url: URL) -> bool:
    """True for a database that lives only in this process."""
    return url.database in (None, "", ":memory:")


def wants_check(file: Path) -> bool:
    """Is this file small enough to be read through at a start, or was it not closed in order?"""
    if not file.exists() or file.stat().st_size <= QUICKLY_CHECKED_BYTES:
        return True
    # Either journal is empty or gone after an orderly end.
    journals = [file.with_name(file.name + ending) for ending in ("-wal", "-journal")]
    return any(journal.exists() and journal.stat().st_size > 0 for journal in journals)


def describe() -> str:
    """Library and journal in use, for people."""
    module = driver()
    journal = "WAL" if wal_is_safe(module.sqlite_version_info) else "rollback journal"
    return f"SQLite {module.sqlite_version}, {journal}"


def copy(source: Path, target: Path, busy_seconds: float) -> None:
    """A consistent copy of the database, while others read and write; replaces `target`."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    connection = driver().connect(str(source), timeout=busy_seconds, isolation_level=None)
    try:
        connection.execute("VACUUM INTO ?", (str(part),))
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        connection.close()
    part.replace(target)


class Turnstile:
    """Lets this process's threads write one after another, first come, first served.

    SQLite's own wait is a poll with growing pauses: a worker that writes without rest would
    starve a signup in another thread.
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._occupied = False
        self._waiting: deque[Lock] = deque()

    @contextmanager
    def turn(self, seconds: float) -> Iterator[None]:
        """Wait for one's turn; `DatabaseUnavailable` after `seconds`."""
        if not self._enter(seconds):
            raise DatabaseUnavailable(
                f"another thread has held the database for {seconds:g} s: try again in a moment"
            )
        try:
            yield
        finally:
            self._leave()

    def _enter(self, seconds: float) -> bool:
        with self._guard:
            if not self._occupied:
                self._occupied = True
                return True
            ticket = Lock()
            ticket.acquire()
            self._waiting.append(ticket)
        if ticket.acquire(timeout=seconds):
            return True
        with self._guard:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
                return False
        return True  # called in at the very last moment

    def _leave(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._occupied = False


def _set_journal(cursor: Any, mode: str, busy_seconds: float, module: ModuleType) -> None:
    """Give the file its journal, waiting for whoever holds it.

    A file keeps its mode, so this writes once in its life. Two programs that open a new file
    at once both try, and SQLite answers the slower one "locked" without the busy timeout:
    neither would give way to the other (https://sqlite.org/c3ref/busy_handler.html).
    """
    tries = max(1, round(busy_seconds / _JOURNAL_PAUSE_SECONDS))
    for left in reversed(range(tries)):
        try:
            cursor.execute(f"PRAGMA journal_mode={mode}")
            cursor.fetchall()
            return
        except module.OperationalError as error:
            if not left or "locked" not in str(error):
                raise
        sleep(_JOURNAL_PAUSE_SECONDS)


def _queue_pool() -> type[Any]:
    from sqlalchemy.pool import QueuePool

    return QueuePool


def _prepare_file(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Addresses of people: readable by the owner only. SQLite gives -wal the same mode.
        if not path.exists():
            path.touch(mode=0o600)
    except OSError as error:
        raise DatabaseUnavailable(
            f"cannot open {path}: {error.strerror}: make its folder writable for this user, "
            "or set DATABASE_URL to another place"
        ) from error
