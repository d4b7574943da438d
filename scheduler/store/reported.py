"""What became known about mails after they were taken; each report once, however often it comes.

Refuses reports on deliveries that do not exist (any more): a person who was erased stays erased.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, String, delete, func, select, true
from sqlalchemy.sql.dml import ReturningInsert

from scheduler.domain.events import EventKind, ProviderEvent
from scheduler.domain.provider import Fault
from scheduler.store import batch, upsert
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.deliveries import id_prefix
from scheduler.store.tables import (
    deliveries,
    enrollments,
    learners,
    provider_events,
    state_in,
)

_p, _d, _e, _l = provider_events.c, deliveries.c, enrollments.c, learners.c

#: News that a mail will not arrive, or that its reader wants no more.
_CAME_BACK = (EventKind.BOUNCED, EventKind.COMPLAINED, EventKind.LEFT)

_EVENT: batch.Shape = {
    "id": String(),
    "delivery_id": String(),
    "kind": String(),
    "fault": String(),
    "at": UtcTime(),
    "taken_in_at": UtcTime(),
    "detail": String(),
}


def add_events(tx: Tx, events: Sequence[ProviderEvent], now: datetime) -> set[str]:
    """Write reports down; returns the ids of those that are news. `now` is aware UTC."""
    if not events:
        return set()
    dialect = tx.dialect.name
    packed = batch.pack(
        dialect,
        _EVENT,
        (
            (
                *(event.id, event.delivery_id, str(event.kind), str(event.fault or "")),
                *(event.at, now, batch.line(event.detail)),
            )
            # In one order everywhere, so that two doors never wait for each other.
            for event in sorted({event.id: event for event in events}.values(), key=_by_id)
        ),
    )
    return set(tx.execute(_add(dialect), packed).scalars())


def known_deliveries(tx: Tx, delivery_ids: Collection[str]) -> set[str]:
    """Those of the ids that name a delivery."""
    if not delivery_ids:
        return set()
    dialect = tx.dialect.name
    packed = batch.pack(dialect, ("id",), ((number,) for number in delivery_ids))
    return set(tx.execute(_known(dialect), packed).scalars())


def handed_over_to(tx: Tx, learner_id: int, address: str, since: datetime) -> dict[datetime, bool]:
    """Hand-overs to this very address since then, and whether the mailbox sent the mail back.

    Keys are the instants of hand-over, aware UTC.
    """
    came_back = (
        select(_p.id)
        .where(
            _p.delivery_id == _d.id,
            _p.kind == str(EventKind.BOUNCED),
            _p.fault == str(Fault.MAILBOX),
        )
        .exists()
    )
    rows = tx.execute(
        select(_d.sending_at, came_back)
        .join_from(deliveries, enrollments, _e.id == _d.enrollment_id)
        .where(
            _e.learner_id == learner_id,
            _d.to_addr == address,
            state_in(_d.state, "accepted"),
            _d.sending_at >= since,
        )
    )
    return {at: bool(back) for at, back in rows}


@dataclass(frozen=True, slots=True)
class Seen:
    """What came back in a span of time, beside what was sent in it."""

    #: Mails owed since then and taken.
    taken: int
    #: Mails reported as spam.
    complaints: int
    #: Mails sent back because of what we send, or of how our domain is set up.
    disliked: int


def seen(tx: Tx, since: datetime) -> Seen:
    """Counts since that instant (aware UTC); each mail counts once, however often reported."""
    counted = tx.execute(
        select(_p.kind, func.count(_p.delivery_id.distinct()))
        .where(
            _p.at >= since,
            (_p.kind == str(EventKind.COMPLAINED))
            | (
                (_p.kind == str(EventKind.BOUNCED))
                & _p.fault.in_([str(Fault.POLICY), str(Fault.CONFIG)])
            ),
        )
        .group_by(_p.kind)
    )
    by_kind: dict[str, int] = {row[0]: row[1] for row in counted}
    taken = tx.execute(
        # The id begins with the instant of creation, which makes this a range of the key.
        select(func.count()).where(_d.id >= id_prefix(since), state_in(_d.state, "accepted"))
    ).scalar_one()
    return Seen(
        taken=taken,
        complaints=by_kind.get(str(EventKind.COMPLAINED), 0),
        disliked=by_kind.get(str(EventKind.BOUNCED), 0),
    )


@dataclass(frozen=True, slots=True)
class CameBack:
    """One report that a mail did not arrive or was not wanted; `at` is aware UTC."""

    at: datetime
    kind: EventKind
    #: Whose fault a bounce is.
    fault: Fault | None
    #: The other side's words.
    detail: str
    #: Lesson key, or `@letter`.
    key: str
    learner_id: int
    #: Where the learner's mail goes by now.
    address: str


def came_back(tx: Tx, since: datetime, limit: int) -> list[CameBack]:
    """What came back since then (aware UTC), newest first."""
    rows = tx.execute(
        select(_p.at, _p.kind, _p.fault, _p.detail, _d.key, _l.id, _l.address)
        .join_from(provider_events, deliveries, _d.id == _p.delivery_id)
        .join(enrollments, _e.id == _d.enrollment_id)
        .join(learners, _l.id == _e.learner_id)
        .where(_p.kind.in_([str(kind) for kind in _CAME_BACK]), _p.at >= since)
        .order_by(_p.at.desc(), _p.id)
        .limit(limit)
    )
    return [
        CameBack(at, EventKind(kind), Fault(fault) if fault else None, *rest)
        for at, kind, fault, *rest in rows
    ]


def prune_events(tx: Tx, before: datetime) -> int:
    """Forget reports that were taken in before then; returns how many."""
    return tx.execute(delete(provider_events).where(_p.taken_in_at < before)).rowcount


def _by_id(event: ProviderEvent) -> str:
    return event.id


@cache
def _known(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": String()})
    return select(_d.id).join_from(b, deliveries, _d.id == b.c.id)


@cache
def _add(dialect: str) -> ReturningInsert[Any]:
    b = batch.table(dialect, _EVENT)
    known = (
        select(*(b.c[name] for name in _EVENT))
        .join_from(b, deliveries, _d.id == b.c.delivery_id)
        # Without a condition SQLite reads ON CONFLICT as part of the join.
        .where(true())
    )
    return (
        upsert.insert(dialect, provider_events)
        .from_select(list(_EVENT), known)
        .on_conflict_do_nothing()
        .returning(_p.id)
    )
