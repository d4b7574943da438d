"""What the database says: is it sound, does somebody send, and did something fail?

Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from course.cli import table
from course.cli.examining.finding import Result

if TYPE_CHECKING:
    from course.config import Settings
    from scheduler.store import Database

#: A worker that has not said so for this many ticks is no longer there.
_MISSED_TICKS = 3


def database_checks(settings: Settings) -> Iterator[Result]:
    """The file or server itself, then what it says of the mail."""
    from course.cli.keeping import no_database_yet
    from scheduler.errors import SchedulerError
    from scheduler.store import Database

    if no_database_yet(settings.database_url):
        yield Result("database", "ok", "there is none yet; `course serve` makes it")
        return
    database = Database(settings.database_url)
    try:
        if not database.is_current():
            yield Result(
                "database", "problem", f"{database.describe()} is not up to date",
                "back it up, then: course db upgrade",
            )  # fmt: skip
            return
        database.check()
        yield Result("database", "ok", f"{database.describe()}, sound, up to date")
        if database.dialect == "sqlite" and "rollback journal" in database.describe():
            yield Result(
                "SQLite", "warning", "this library has the WAL-reset bug, so a slower mode is used",
                "install the package pysqlite3 (Linux), or a Python with SQLite 3.51.3 or later",
            )  # fmt: skip
        yield from _people(settings, database)
    except SchedulerError as error:
        yield Result("database", "problem", str(error))
    finally:
        database.close()


def _people(settings: Settings, database: Database) -> Iterator[Result]:
    from course import adoption, wiring
    from scheduler.clock import RealClock
    from scheduler.rules.pace import BreakerState
    from scheduler.store import pace, people, presence, reports

    now = RealClock().now()
    with database.read() as tx:
        held = adoption.held(tx, settings.base_url)
        last = wiring.parse_tick(people.get_meta(tx, "last_tick_at"))
        offset = people.get_meta(tx, wiring.DEMO_OFFSET)
        seen = reports.overview(tx, now, now - timedelta(days=1), now)
        resting = pace.breaker(tx, settings.delivery)
        ticks = timedelta(seconds=settings.scheduler.tick_seconds * _MISSED_TICKS)
        workers = [worker.place for worker in presence.workers(tx, since=now - ticks)]
    if held:
        yield Result("sending", "problem", "nothing is sent", held)
    if resting.state is not BreakerState.CLOSED:
        yield Result(
            "provider", "problem", f"{settings.delivery} takes no mail: {resting.said}",
            "mend what it names, then restart; the next mail due tries it again",
        )  # fmt: skip
    if offset is not None:
        ahead = timedelta(seconds=round(float(offset)))
        yield Result("demo", "warning", f"this is a demo's database, {ahead} ahead of the clock")
    if len(workers) > 1 and database.dialect == "sqlite":
        yield Result(
            "workers", "warning", f"{len(workers)} on one file, safe but needless: "
            + ", ".join(workers),
            "keep one: start the others with `course serve --no-worker`",
        )  # fmt: skip
    failures = sum(seen.failures.values())
    if failures:
        yield Result(
            "deliveries", "warning", f"{table.counted(failures, 'delivery', 'deliveries')} failed",
            "look at: course learners failures",
        )  # fmt: skip
    late = timedelta(seconds=round(seen.oldest_due_seconds))
    if offset is None and seen.due_now and late > timedelta(minutes=15):
        yield Result(
            "worker", "problem",
            f"{table.counted(seen.due_now, 'delivery', 'deliveries')} due, the oldest for {late}",
            "is `course serve` or `course work` running?"
            + (f" The last look was at {last:%Y-%m-%d %H:%M} UTC." if last else ""),
        )  # fmt: skip
    elif offset is None and last is not None:
        seconds = timedelta(seconds=round(max((now - last).total_seconds(), 0)))
        yield Result("worker", "ok", f"the last look at who is due was {seconds} ago")
