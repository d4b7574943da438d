"""When a person last came by their own page, written down at most once an hour.

Refuses to know more: not from where, not how often, not what was looked at.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update

from scheduler.store.database import Tx
from scheduler.store.enrollments import written_at
from scheduler.store.tables import enrollments

_e = enrollments.c

#: A visit within this time of the one written down is the same visit.
SAME_VISIT = timedelta(hours=1)


def visited_at(tx: Tx, enrollment_id: int) -> datetime | None:
    """When this run's owner last came by, UTC; None when never, or when the run is gone."""
    at: datetime | None = tx.execute(
        select(_e.visited_at).where(_e.id == enrollment_id)
    ).scalar_one_or_none()
    return at


def is_news(before: datetime | None, now: datetime) -> bool:
    """Is a visit now worth writing down? One dated in the future was a wrong clock's."""
    return before is None or not now - SAME_VISIT < before <= now


def record(tx: Tx, enrollment_id: int, now: datetime) -> bool:
    """Write the visit down unless it is the same one as before; False if it is."""
    if not is_news(visited_at(tx, enrollment_id), now):
        return False
    tx.execute(
        update(enrollments)
        .where(_e.id == enrollment_id)
        .values(visited_at=now, updated_at=written_at(tx.dialect.name))
    )
    return True
