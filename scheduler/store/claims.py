"""Who may send what, now: which runs are due, and who gets which delivery.

Also the door to what becomes of a claim: `marking` (mark, release) and `sweeping` (sweep,
resolve). Refuses to give one delivery to two workers.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    Update,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    select,
    update,
)

from scheduler.domain.delivery import Claimed, DeliveryKind, DeliveryState
from scheduler.domain.enrollment import Enrollment
from scheduler.store import batch, tables
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.deliveries import with_people
from scheduler.store.mapping import CLAIMED, ENROLLMENT, to_claimed, to_enrollment
from scheduler.store.marking import Mark, Marked, Release, mark, release
from scheduler.store.sweeping import Swept, resolve, sweep, uncertain_since
from scheduler.store.tables import deliveries, enrollments, state_in

__all__ = [
    "MUST_WAIT",
    "Mark",
    "Marked",
    "Release",
    "Swept",
    "anything_waits",
    "claim",
    "due_enrollments",
    "late_runs",
    "mark",
    "release",
    "resolve",
    "sweep",
    "uncertain_since",
]

_d, _e = deliveries.c, enrollments.c

#: A lesson whose run is not running waits where it is; claiming it would only turn in circles.
MUST_WAIT = state_in(_d.kind, "lesson") & state_in(_e.state, "pending", "paused")


def anything_waits(tx: Tx, now: datetime, in_doubt_since: datetime) -> bool:
    """Is there anything at all for a pass to do: due, claimable, lapsed, or long in doubt?"""
    return bool(tx.execute(_anything(), {"now": now, "doubt": in_doubt_since}).scalar_one())


def due_enrollments(tx: Tx, now: datetime, limit: int) -> list[Enrollment]:
    """Runs whose next lesson falls now or earlier, oldest first; locked, leaving out what
    other workers hold."""
    rows = tx.execute(_due(), {"now": now, "most": limit}).all()
    return [to_enrollment(row) for row in rows]


def claim(
    tx: Tx,
    *,
    now: datetime,
    owner: str,
    lease_until: datetime,
    provider: str,
    limit: int,
    suspect: bool = False,
) -> list[Claimed]:
    """Take up to `limit` deliveries whose time has come, oldest first, attempt counted; of one
    instant, letters before lessons.

    No two workers get the same one. The message's date is fixed at the first claim. With
    `suspect` only those are taken over which a worker has gone silent before, without it only
    the others: whatever kills its worker must not take a whole batch along again.
    """
    terms = {"now": now, "owner": owner, "until": lease_until, "by": provider}
    rows = tx.execute(_claimable(suspect), terms | {"most": limit}).all()
    if rows:
        packed = batch.pack(tx.dialect.name, ("id",), ((row[0],) for row in rows))
        tx.execute(_claim(tx.dialect.name), packed | terms)
    claimed = [to_claimed(row) for row in rows]
    # A database may bring the rows of one instant in any order.
    claimed.sort(key=_in_turn)
    return claimed


def late_runs(tx: Tx, before: datetime, most: int) -> int:
    """How many runs wait for a lesson that fell before this instant; counts up to `most`."""
    waiting = select(_e.id).where(tables.RUN_IS_PLANNED, _e.next_due_at < before).limit(most)
    return int(tx.execute(select(func.count()).select_from(waiting.subquery())).scalar_one())


def _in_turn(claimed: Claimed) -> tuple[int, datetime, bool]:
    delivery = claimed.delivery
    return delivery.deaths, delivery.not_before, delivery.kind is DeliveryKind.LESSON


@cache
def _anything() -> Select[Any]:
    now, doubt = bindparam("now", type_=UtcTime()), bindparam("doubt", type_=UtcTime())
    return select(
        exists().where(tables.RUN_IS_PLANNED, _e.next_due_at <= now)
        | exists().where(tables.CLAIMABLE, _d.not_before <= now)
        | exists().where(tables.IN_HAND, _d.lease_until <= now)
        | exists().where(tables.UNRESOLVED, _d.settled_at < doubt)
    )


@cache
def _due() -> Select[Any]:
    return (
        select(*ENROLLMENT)
        .where(tables.RUN_IS_PLANNED, _e.next_due_at <= bindparam("now", type_=UtcTime()))
        .order_by(_e.next_due_at)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(key_share=True, skip_locked=True)
    )


#: What a claim changes; read already changed, so that one look brings the rows as they will be.
_CLAIM: dict[ColumnElement[Any], ColumnElement[Any]] = {
    _d.state: literal(str(DeliveryState.CLAIMED)),
    _d.attempt: _d.attempt + 1,
    _d.dated_at: func.coalesce(_d.dated_at, bindparam("now", type_=UtcTime())),
    _d.lease_owner: bindparam("owner", type_=String()),
    _d.lease_until: bindparam("until", type_=UtcTime()),
    _d.provider: bindparam("by", type_=String()),
}


@cache
def _claimable(suspect: bool) -> Select[Any]:
    chosen = tables.SUSPECT if suspect else tables.CLAIMABLE & (_d.deaths == literal_column("0"))
    # The one that has cost fewest workers first: it is probably innocent.
    order = (_d.deaths, _d.not_before) if suspect else (_d.not_before,)
    return (
        with_people([_CLAIM.get(column, column) for column in CLAIMED])
        .where(chosen, _d.not_before <= bindparam("now", type_=UtcTime()), ~MUST_WAIT)
        .order_by(*order)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(skip_locked=True, of=deliveries)
    )


@cache
def _claim(dialect: str) -> Update:
    b = batch.table(dialect, {"id": String()})
    return update(deliveries).where(_d.id == b.c.id).values(_CLAIM)
