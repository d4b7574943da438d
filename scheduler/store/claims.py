"""Who may send what, now: claim, mark, give back, sweep, resolve.

A claim is fenced three times: by owner, by attempt and by a lease that runs out. Refuses to
mark anything for a person who left, paused or is suppressed: that is looked up in the very
statement that marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    case,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from scheduler.domain.delivery import Claimed, Delivery, DeliveryState
from scheduler.domain.enrollment import Enrollment
from scheduler.store import batch, tables
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.deliveries import with_people
from scheduler.store.history import append
from scheduler.store.mapping import (
    CLAIMED,
    DELIVERY,
    ENROLLMENT,
    to_claimed,
    to_delivery,
    to_enrollment,
)
from scheduler.store.tables import deliveries, enrollments, state_in, suppressions

_d, _e, _s = deliveries.c, enrollments.c, suppressions.c

_MARKED: batch.Shape = {
    "id": String(),
    "attempt": Integer(),
    "version": String(),
    "message_id": String(),
    "address_hash": String(),
}
_RELEASED: batch.Shape = {
    "id": String(),
    "attempt": Integer(),
    "state": String(),
    "not_before": UtcTime(),
    "verdict": String(),
    "given_back": Integer(),
}

#: A lesson whose run is not running waits where it is; claiming it would only turn in circles.
MUST_WAIT = state_in(_d.kind, "lesson") & state_in(_e.state, "pending", "paused")


@dataclass(frozen=True, slots=True)
class Mark:
    """A composed delivery that is about to be handed over."""

    delivery_id: str
    attempt: int
    version: str
    message_id: str
    #: Keyed hash of the address, to be looked up among the suppressions.
    address_hash: str


@dataclass(frozen=True, slots=True)
class Marked:
    """Which deliveries may be handed over, and why the others may not."""

    marked: set[str] = field(default_factory=set)
    #: Delivery id -> one line for a person.
    dropped: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Release:
    """A claim given back; `not_before` (aware UTC) None leaves it as it is."""

    delivery_id: str
    attempt: int
    #: due, waiting, dead or cancelled.
    state: DeliveryState
    not_before: datetime | None = None
    verdict: str = ""
    #: False: this attempt does not count.
    burn_attempt: bool = True


@dataclass(frozen=True, slots=True)
class Swept:
    """What was taken from workers that went silent."""

    #: Claims freed; nothing had been handed over.
    freed: int
    #: Hand-overs begun and never reported.
    uncertain: list[Delivery]


def due_enrollments(tx: Tx, now: datetime, limit: int) -> list[Enrollment]:
    """Runs whose next lesson falls now or earlier, oldest first; locked, leaving out what
    other workers hold."""
    rows = tx.execute(_due(), {"now": now, "most": limit}).all()
    return [to_enrollment(row) for row in rows]


def claim(
    tx: Tx, *, now: datetime, owner: str, lease_until: datetime, provider: str, limit: int
) -> list[Claimed]:
    """Take up to `limit` deliveries whose time has come, oldest first, attempt counted.

    No two workers get the same one. The message's date is fixed at the first claim.
    """
    terms = {"now": now, "owner": owner, "until": lease_until, "by": provider}
    rows = tx.execute(_claimable(), terms | {"most": limit}).all()
    if rows:
        packed = batch.pack(tx.dialect.name, ("id",), ((row[0],) for row in rows))
        tx.execute(_claim(tx.dialect.name), packed | terms)
    return [to_claimed(row) for row in rows]


def mark(tx: Tx, *, now: datetime, owner: str, marks: Sequence[Mark]) -> Marked:
    """Record that these are about to be handed over; only what is `marked` may be.

    Dropped rows that were ours become cancelled (stopped, suppressed, round over) or due
    again (paused); rows that are no longer ours are left alone.
    """
    if not marks:
        return Marked()
    packed = batch.pack(
        tx.dialect.name,
        _MARKED,
        ((m.delivery_id, m.attempt, m.version, m.message_id, m.address_hash) for m in marks),
    )
    marked = set(
        tx.execute(_mark(tx.dialect.name), packed | {"now": now, "owner": owner}).scalars()
    )
    append(
        tx,
        (
            (m.delivery_id, now, DeliveryState.CLAIMED, DeliveryState.SENDING, owner, "")
            for m in marks
            if m.delivery_id in marked
        ),
    )
    missing = [m for m in marks if m.delivery_id not in marked]
    return Marked(marked, _drop(tx, missing, owner, now) if missing else {})


def release(tx: Tx, *, owner: str, releases: Sequence[Release], now: datetime) -> None:
    """Give claims back; what is no longer claimed by this owner at that attempt stays as it is."""
    if not releases:
        return
    packed = batch.pack(
        tx.dialect.name,
        _RELEASED,
        (
            (
                *(r.delivery_id, r.attempt, str(r.state), r.not_before),
                *(batch.line(r.verdict), 0 if r.burn_attempt else 1),
            )
            for r in releases
        ),
    )
    rows = tx.execute(_release(tx.dialect.name), packed | {"now": now, "owner": owner}).all()
    append(
        tx,
        (
            (number, now, DeliveryState.CLAIMED, state, owner, verdict)
            for number, state, verdict in rows
        ),
    )


def sweep(tx: Tx, now: datetime) -> Swept:
    """Take back what a silent worker holds beyond its lease.

    Claims become due again; begun hand-overs become uncertain, never due.
    """
    freed = tx.execute(_sweep(DeliveryState.CLAIMED, DeliveryState.DUE), {"now": now}).all()
    silent = tx.execute(_sweep(DeliveryState.SENDING, DeliveryState.UNCERTAIN), {"now": now}).all()
    uncertain = [to_delivery(row) for row in silent]
    lapsed = "the worker's lease ran out"
    append(
        tx,
        (
            (d.id, now, before, d.state, d.lease_owner, lapsed)
            for before, swept in (
                (DeliveryState.CLAIMED, [to_delivery(row) for row in freed]),
                (DeliveryState.SENDING, uncertain),
            )
            for d in swept
        ),
    )
    return Swept(len(freed), uncertain)


def uncertain_since(tx: Tx, before: datetime, limit: int) -> list[Delivery]:
    """Uncertain hand-overs older than `before` that nobody has decided about, oldest first."""
    query = (
        select(*DELIVERY)
        .where(tables.UNRESOLVED, _d.settled_at < before)
        .order_by(_d.settled_at)
        .limit(limit)
        .with_for_update(key_share=True, skip_locked=True)
    )
    return [to_delivery(row) for row in tx.execute(query).all()]


def resolve(
    tx: Tx,
    delivery_id: str,
    *,
    to: DeliveryState,
    not_before: datetime | None = None,
    extra_copy: bool = False,
    verdict: str,
    now: datetime,
) -> bool:
    """Decide about an uncertain hand-over; False if it is uncertain no longer.

    `extra_copy` spends the one resend: False, and nothing changes, if it is spent already.
    Resolving to `uncertain` means to hold: evidence may still settle it, policy will not.
    """
    conditions = [_d.id == delivery_id, state_in(_d.state, "uncertain")]
    values: dict[str, Any] = {
        "state": str(to),
        "verdict": batch.line(verdict),
        "resolved_at": now,
    }
    if to is not DeliveryState.UNCERTAIN:
        values["settled_at"] = now
    if not_before is not None:
        values["not_before"] = not_before
    if extra_copy:
        conditions.append(_d.extra_copy.is_(False))
        values["extra_copy"] = True
    if tx.execute(update(deliveries).where(*conditions).values(values)).rowcount == 0:
        return False
    append(tx, [(delivery_id, now, DeliveryState.UNCERTAIN, to, "", batch.line(verdict))])
    return True


def _drop(tx: Tx, missing: Sequence[Mark], owner: str, now: datetime) -> dict[str, str]:
    """Say why each was not marked, and put back or cancel those that are still ours."""
    packed = batch.pack(
        tx.dialect.name,
        ("id", "address_hash"),
        ((m.delivery_id, m.address_hash) for m in missing),
    )
    found = {row.id: row for row in tx.execute(_why(tx.dialect.name), packed)}
    reasons: dict[str, str] = {}
    releases = []
    for m in missing:
        row = found.get(m.delivery_id)
        if row is None:
            reasons[m.delivery_id] = "there is no such delivery any more"
        elif (row.state, row.lease_owner, row.attempt) != ("claimed", owner, m.attempt):
            reasons[m.delivery_id] = f"no longer ours: it is {row.state}, attempt {row.attempt}"
        elif row.lease_until is None or row.lease_until <= now:
            reasons[m.delivery_id] = "the lease ran out"
        else:
            state, reason = _verdict(row)
            reasons[m.delivery_id] = reason
            put_back = state is DeliveryState.DUE
            releases.append(
                Release(m.delivery_id, m.attempt, state, None, reason, burn_attempt=not put_back)
            )
    release(tx, owner=owner, releases=releases, now=now)
    return reasons


def _verdict(row: Any) -> tuple[DeliveryState, str]:
    if row.suppressed is not None:
        return DeliveryState.CANCELLED, f"the address is suppressed: {row.suppressed}"
    if row.run_state == "stopped":
        return DeliveryState.CANCELLED, f"the enrollment is stopped: {row.run_reason}"
    if row.round != row.run_round:
        return DeliveryState.CANCELLED, f"round {row.round} is over"
    if row.kind == "lesson" and row.run_state == "completed":
        return DeliveryState.CANCELLED, "the enrollment is completed"
    return DeliveryState.DUE, f"the enrollment is {row.run_state}"


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
def _claimable() -> Select[Any]:
    return (
        with_people([_CLAIM.get(column, column) for column in CLAIMED])
        .where(tables.CLAIMABLE, _d.not_before <= bindparam("now", type_=UtcTime()), ~MUST_WAIT)
        .order_by(_d.not_before)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(skip_locked=True, of=deliveries)
    )


@cache
def _claim(dialect: str) -> Update:
    b = batch.table(dialect, {"id": String()})
    return update(deliveries).where(_d.id == b.c.id).values(_CLAIM)


@cache
def _mark(dialect: str) -> ReturningUpdate[Any]:
    b = batch.table(dialect, _MARKED)
    now = bindparam("now", type_=UtcTime())
    run_allows = exists().where(
        _e.id == _d.enrollment_id,
        _e.round == _d.round,
        or_(
            state_in(_d.kind, "lesson") & state_in(_e.state, "active"),
            state_in(_d.kind, "letter") & (_e.state != "stopped"),
        ),
    )
    suppressed = exists().where(_s.address_hash == b.c.address_hash)
    return (
        update(deliveries)
        .where(
            _d.id == b.c.id,
            _d.attempt == b.c.attempt,
            state_in(_d.state, "claimed"),
            _d.lease_owner == bindparam("owner", type_=String()),
            _d.lease_until > now,
            run_allows,
            ~suppressed,
        )
        .values(
            state=str(DeliveryState.SENDING),
            sending_at=now,
            lesson_version=b.c.version,
            message_id=b.c.message_id,
            settled_at=null(),
            resolved_at=null(),
        )
        .returning(_d.id)
    )


@cache
def _why(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": String(), "address_hash": String()})
    return select(
        *(_d.id, _d.state, _d.lease_owner, _d.attempt, _d.lease_until, _d.kind, _d.round),
        _e.state.label("run_state"),
        _e.reason.label("run_reason"),
        _e.round.label("run_round"),
        _s.reason.label("suppressed"),
    ).select_from(
        b.join(deliveries, _d.id == b.c.id)
        .join(enrollments, _e.id == _d.enrollment_id)
        .outerjoin(suppressions, _s.address_hash == b.c.address_hash)
    )


@cache
def _release(dialect: str) -> ReturningUpdate[Any]:
    b = batch.table(dialect, _RELEASED)
    is_over = b.c.state.in_([str(DeliveryState.DEAD), str(DeliveryState.CANCELLED)])
    return (
        update(deliveries)
        .where(
            _d.id == b.c.id,
            _d.attempt == b.c.attempt,
            state_in(_d.state, "claimed"),
            _d.lease_owner == bindparam("owner", type_=String()),
        )
        .values(
            state=b.c.state,
            not_before=func.coalesce(b.c.not_before, _d.not_before),
            verdict=b.c.verdict,
            attempt=_d.attempt - b.c.given_back,
            lease_until=null(),
            settled_at=case((is_over, bindparam("now", type_=UtcTime())), else_=_d.settled_at),
        )
        .returning(_d.id, _d.state, _d.verdict)
    )


@cache
def _sweep(source: DeliveryState, to: DeliveryState) -> ReturningUpdate[Any]:
    now = bindparam("now", type_=UtcTime())
    values: dict[str, Any] = {"state": str(to), "lease_until": null()}
    if to is DeliveryState.UNCERTAIN:
        values |= {"settled_at": now, "verdict": "no answer: the worker's lease ran out"}
    return (
        update(deliveries)
        .where(tables.IN_HAND, state_in(_d.state, str(source)), _d.lease_until <= now)
        .values(values)
        .returning(*DELIVERY)
    )
