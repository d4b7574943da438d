"""Lets time pass as a running worker would see it, without a look at every quiet minute."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select

from scheduler.clock import FixedClock
from scheduler.dispatch import EVIDENCE_WAIT
from scheduler.store import Database
from scheduler.store.tables import deliveries, enrollments
from scheduler.upkeep import Upkeep

TICK = timedelta(hours=8)
NEVER = datetime.max.replace(tzinfo=UTC)
#: The first instant after `now` in each column that holds one; since when somebody is silent.
AHEAD = select(
    *(
        select(func.min(column))
        .where(column > bindparam("now", type_=column.type))
        .scalar_subquery()
        for column in (
            enrollments.c.paused_until,
            enrollments.c.next_due_at,
            deliveries.c.not_before,
            deliveries.c.lease_until,
        )
    ),
    select(func.min(deliveries.c.settled_at))
    .where(deliveries.c.state == "uncertain")
    .scalar_subquery(),
)


def instants(db: Database, now: datetime) -> list[datetime]:
    """When a pause ends, and everything else that rows know of the time to come."""
    with db.read() as tx:
        *found, silent_since = tx.execute(AHEAD, {"now": now}).one()
    if silent_since is not None and silent_since + EVIDENCE_WAIT >= now:
        found.append(silent_since + EVIDENCE_WAIT + timedelta(seconds=1))
    return [instant or NEVER for instant in found]


def pass_time(
    db: Database,
    clock: FixedClock,
    step: timedelta,
    *,
    upkeep: Upkeep,
    work: Callable[[], Any],
    tick: timedelta = TICK,
) -> None:
    """Stop at every instant at which something may become due, and at least every `tick`.

    Upkeep comes by when a pause ends, at the end, and otherwise once an hour at most.
    """
    now = clock.now()
    end = now + step
    tidied_at = datetime.min.replace(tzinfo=UTC)
    while now < end:
        pause_ends, *others = instants(db, now)
        stop = min(pause_ends, *others, now + tick, end)
        clock.advance(stop - now)
        if stop in (pause_ends, end) or stop - tidied_at >= timedelta(hours=1):
            upkeep.run()
            tidied_at = stop
        work()
        now = clock.now()
