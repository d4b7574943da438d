"""One database, SQLite or PostgreSQL, and the two ways into it: `write()` and `read()`.

Two threads (web and worker) share one `Database`. Refuses to leak a driver's error: what an
operator can cure is raised as one of `scheduler.errors`, with the cure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from scheduler.errors import DatabaseDamaged, DatabaseUnavailable, NotAllowed
from scheduler.store import faults, schema, sqlite
from scheduler.store.reserve import Reserve

#: A running transaction; every function of this room takes one first.
Tx: TypeAlias = Connection

#: Any number will do, as long as all our programs use the same.
_UPGRADE_LOCK = 0x6D65_636F
#: How long an upgrade waits for another program's upgrade.
_UPGRADE_WAIT_SECONDS = 120


def _carry_on(_: str) -> None:
    """What a crash point does in life: nothing."""


class Database:
    """A pool of connections that are set up right."""

    def __init__(self, url: str, *, busy_seconds: float = 5.0) -> None:
        """`sqlite:///relative`, `sqlite:////absolute`, `postgres://` or `postgresql://`.

        A lock held by someone else is waited for during `busy_seconds`, then
        `DatabaseUnavailable`. Creates the SQLite folder; connects only when first used.
        """
        self._url = _parse(url)
        self._busy_seconds = busy_seconds
        self.dialect = self._url.get_backend_name()
        self._reserve: Reserve | None = None
        if self.dialect == "sqlite":
            self._engine = sqlite.open_engine(self._url, busy_seconds)
            self._turnstile: sqlite.Turnstile | None = sqlite.Turnstile()
            reading: dict[str, Any] = {}
            if not sqlite.in_memory(self._url):
                self._reserve = Reserve(Path(str(self._url.database)))
        else:
            self._engine = _postgresql(self._url, busy_seconds)
            self._turnstile = None
            reading = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reader = self._engine.execution_options(intent="read", **reading)
        self._writer = self._engine.execution_options(intent="write")
        self._migrator = self._engine.execution_options(intent="migrate")
        #: Told of each step before and after its commit; tests die here.
        self.crash_point: Callable[[str], None] = _carry_on

    @contextmanager
    def write(self, step: str = "") -> Iterator[Tx]:
        """A transaction that may write: commits at the end, rolls back on any error.

        On SQLite it holds the only write lock from the start (`BEGIN IMMEDIATE`). `step`
        names what is being written; a worker that dies before or after that commit is a
        case the tests enumerate, through `crash_point`.
        """
        turn = self._turnstile.turn(self._busy_seconds) if self._turnstile else nullcontext()
        with turn, self._begin(self._writer) as tx:
            yield tx
            self.crash_point(f"{step}: before commit")
        self.crash_point(f"{step}: after commit")

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A consistent snapshot; the database itself refuses a write in it."""
        with self._begin(self._reader) as tx:
            yield tx

    def upgrade(self) -> bool:
        """Bring the schema up to date; True if something changed. Safe to run at every start.

        A SQLite file with tables is first copied to `FILE.before-<revision>`.
        """
        turn = self._turnstile.turn(self._busy_seconds) if self._turnstile else nullcontext()
        with turn, self._begin(self._migrator) as tx:
            if self.dialect == "postgresql":
                tx.execute(text(f"SET LOCAL lock_timeout = '{_UPGRADE_WAIT_SECONDS}s'"))
                tx.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _UPGRADE_LOCK})
            before = schema.revision(tx)
            if before == schema.head():
                return False
            if before is not None:
                self._copy_aside(before)
            schema.upgrade(tx)
            if self.dialect == "sqlite":
                broken = tx.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if broken:
                    raise DatabaseDamaged(
                        f"the upgrade would leave {len(broken)} rows without their parent, so "
                        "nothing was changed: please report this"
                    )
        return True

    def ensure_room(self, mails: int) -> None:
        """Keep the space that the outcomes of so many mails need; `DatabaseFull` without it.

        Call it before a hand-over begins. PostgreSQL's disk cannot be seen from here: what it
        refuses to record is kept and offered again.
        """
        if self._reserve is not None:
            self._reserve.take(mails)

    def use_reserve(self) -> bool:
        """Give up the kept space to rows that must be written now; False if there is none."""
        return self._reserve is not None and self._reserve.give_up()

    def is_current(self) -> bool:
        """Is the schema exactly the one this program expects?"""
        with self.read() as tx:
            return schema.revision(tx) == schema.head()

    def check(self) -> None:
        """Look for damage and raise `DatabaseDamaged`; `DatabaseUnavailable` if nobody answers."""
        with self.read() as tx:
            if self.dialect == "postgresql":
                tx.execute(text("SELECT 1"))
                return
            findings = [str(row[0]) for row in tx.exec_driver_sql("PRAGMA quick_check(5)")]
        if findings != ["ok"]:
            raise DatabaseDamaged(
                f"{self.describe()} is damaged ({'; '.join(findings)}): stop the program and "
                "restore a backup (`course restore`)"
            )

    def check_at_start(self) -> None:
        """`check`, as far as a start has time for it.

        A large SQLite file is read through only when its log lies beside it: the last program
        did not end well, or another one is running. `course doctor` always reads all of it.
        """
        if self.dialect == "sqlite" and not sqlite.in_memory(self._url):
            file = Path(str(self._url.database))
            if not sqlite.wants_check(file):
                return
        self.check()

    def backup(self, path: Path) -> None:
        """Write a consistent copy to `path` while work goes on. SQLite only (`NotAllowed`)."""
        if self.dialect == "postgresql":
            raise NotAllowed("PostgreSQL is backed up with its own tools: run `pg_dump`")
        if sqlite.in_memory(self._url):
            raise NotAllowed("a database in memory has no file to copy: set DATABASE_URL")
        self._copy(path)

    def describe(self) -> str:
        """Which database this is, for people and logs; never a password."""
        shown = self._url.set(drivername=self.dialect).render_as_string(hide_password=True)
        return f"{shown} ({sqlite.describe()})" if self.dialect == "sqlite" else shown

    def close(self) -> None:
        """Give all connections back; safe to call twice."""
        self._engine.dispose()

    @contextmanager
    def _begin(self, engine: Engine) -> Iterator[Tx]:
        try:
            with engine.begin() as tx:
                yield tx
        except SQLAlchemyError as error:
            ours = faults.translate(error, self.describe())
            if ours is None:
                raise
            raise ours from error

    def _copy_aside(self, revision: str) -> None:
        if self.dialect == "sqlite" and not sqlite.in_memory(self._url):
            file = Path(str(self._url.database))
            self._copy(file.with_name(f"{file.name}.before-{revision}"))

    def _copy(self, target: Path) -> None:
        source = Path(str(self._url.database))
        try:
            sqlite.copy(source, target, self._busy_seconds)
        except (OSError, sqlite.driver().Error) as error:
            if "malformed" in str(error) or "not a database" in str(error):
                raise DatabaseDamaged(
                    f"{source} is damaged ({error}): stop the program and restore a backup "
                    "(`course restore`)"
                ) from error
            raise DatabaseUnavailable(
                f"cannot copy {source} to {target}: {error}: check free space and permissions"
            ) from error


def _parse(given: str) -> URL:
    try:
        url = make_url(given)
    except ArgumentError:
        url = None
    backend = url.drivername.partition("+")[0] if url is not None else ""
    if url is None or backend not in ("sqlite", "postgres", "postgresql"):
        raise DatabaseUnavailable(
            "DATABASE_URL is not one this program knows: use sqlite:///var/course.db or "
            "postgresql://user:password@host/name"
        )
    return url.set(drivername="sqlite" if backend == "sqlite" else "postgresql+psycopg")


def _postgresql(url: URL, busy_seconds: float) -> Engine:
    engine = create_engine(
        url,
        pool_size=5,
        max_overflow=40,
        pool_timeout=busy_seconds,
        # A server that was restarted must not cost the next caller an error.
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": 5,
            "application_name": "mini-email-course",
            # A prepared plan made while a table was empty would read all of it for each row
            # once it is not, until the server next gathers statistics.
            "prepare_threshold": None,
        },
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
            cursor.execute(f"SET lock_timeout = {int(busy_seconds * 1000)}")
            # A crashed or frozen program must not hold its locks for ever.
            cursor.execute("SET idle_in_transaction_session_timeout = '5min'")
        connection.commit()

    return engine
