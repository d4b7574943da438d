"""A school of any size on a new database, with so many lessons due each morning at the same hour.

Filled by one statement a table, because its making is not what is measured. The lessons are six
copies of one personalised mail of 26 kB, so that each of five mornings costs the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from sqlalchemy import text

from course.compose import CourseComposer
from scheduler.clock import FixedClock
from scheduler.store import Database
from scheduler.store.columns import to_text
from tests.mailroom import FULL, composer, plant

#: 07:00 in Berlin, five seconds on.
FIRST_MORNING = datetime(2026, 11, 23, 6, 0, 5, tzinfo=UTC)

_COUNT = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :size) "
_TABLES = (
    """
    INSERT INTO learners (id, address, address_key, first_name, timezone, language, created_at)
    {count}
    SELECT i, 'learner' || i || '@example.com', 'learner' || i || '@example.com',
        'Ada ' || (i % 500), 'Europe/Berlin', 'en', :joined FROM n
    """,
    """
    INSERT INTO enrollments (id, learner_id, course, round, state, reason, timezone, hour,
        weekdays, every_days, created_at, confirmed_at, next_due_at, tzdata_version, updated_at)
    {count}
    SELECT i, i, 'garden', 1, 'active', '', 'Europe/Berlin', '07:00', '1111111', 1, :joined,
        :joined, CASE WHEN i % :every = 0 AND i / :every <= :due THEN :morning ELSE :later END,
        '', :joined FROM n
    """,
    """
    INSERT INTO deliveries (id, enrollment_id, round, kind, key, position, to_addr, state,
        attempt, not_before, first_due_at, created_at, lesson_version, message_id, lease_owner,
        provider, provider_ref, verdict, settled_at, extra_copy)
    {count}
    SELECT {number}, i, 1, 'letter', '@welcome', 0, 'learner' || i || '@example.com',
        'accepted', 1, :joined, :joined, :joined, '', '', '', 'smtp', '', '', :joined, 1 = 0 FROM n
    """,
)


_NUMBER = {"sqlite": "printf('%032x', i)", "postgresql": "lpad(to_hex(i), 32, '0')"}


def founded(url: str, *, size: int, due: int) -> str:
    """Fill an empty database: `size` learners, of whom `due` have a lesson each morning."""
    first = FIRST_MORNING - timedelta(seconds=5)
    db = Database(url)
    instants = {
        "joined": first - timedelta(days=30),
        "morning": first,
        "later": first + timedelta(days=200),
    }
    values = {"size": size, "due": due, "every": size // due} | {
        name: to_text(at) if db.dialect == "sqlite" else at for name, at in instants.items()
    }
    db.upgrade()
    with db.write() as tx:
        for table in _TABLES:
            statement = table.format(count=_COUNT, number=_NUMBER[db.dialect])
            tx.execute(text(statement), values)
        if db.dialect == "postgresql":
            tx.execute(text("ANALYZE"))  # as its own housekeeping would, a minute later
    db.close()
    return url


def morning(day: int) -> FixedClock:
    """The clock on that morning, counted from 0."""
    return FixedClock(FIRST_MORNING + timedelta(days=day))


def mail_composer(folder: Path, form: Literal["raw", "parts"] = "raw") -> CourseComposer:
    """A composer for the school's course, whose files go into `folder`."""
    copies = {f"{number}-copy-{number}": FULL for number in range(4, 7)}
    return composer(plant(folder, **{"2-sow": FULL, "3-grow": FULL} | copies), form)
