"""What becomes of a claim while its worker lives: marked for the hand-over, or given back.

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
    bindparam,
    case,
    exists,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from scheduler.domain.delivery import DeliveryState
from scheduler.store import batch
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.history import append, append_alike
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
    "new_slot": Integer(),
}


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
    #: due, waiting, dead, cancelled or skipped.
    state: DeliveryState
    not_before: datetime | None = None
    verdict: str = ""
    #: False: this attempt does not count.
    burn_attempt: bool = True
    #: `not_before` is a new slot: what it was owed for before no longer matters.
    new_slot: bool = False


def mark(
    tx: Tx, *, now: datetime, owner: str, lease_until: datetime, marks: Sequence[Mark]
) -> Marked:
    """Record that these are about to be handed over; only what is `marked` may be.

    The lease begins anew: preparing may have used up most of the old one.

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
        tx.execute(
            _mark(tx.dialect.name), packed | {"now": now, "owner": owner, "until": lease_until}
        ).scalars()
    )
    append_alike(
        tx,
        [m.delivery_id for m in marks if m.delivery_id in marked],
        at=now,
        from_state=DeliveryState.CLAIMED,
        to_state=DeliveryState.SENDING,
        worker=owner,
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
                *(batch.line(r.verdict), 0 if r.burn_attempt else 1, int(r.new_slot)),
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
        return DeliveryState.CANCELLED, "a later round took its place"
    return DeliveryState.DUE, f"the enrollment is {row.run_state}"


@cache
def _mark(dialect: str) -> ReturningUpdate[Any]:
    b = batch.table(dialect, _MARKED)
    now = bindparam("now", type_=UtcTime())
    run_allows = exists().where(
        _e.id == _d.enrollment_id,
        _e.round == _d.round,
        or_(
            state_in(_d.kind, "lesson") & state_in(_e.state, "active"),
            # Owed again, or one more copy of what may be lost: the last lessons may be over before.
            state_in(_d.kind, "lesson") & state_in(_e.state, "completed") & ~_later_round(),
            state_in(_d.kind, "letter")
            & (_e.state != "stopped")
            & (~_is_nudge() | _is_reachable()),
            # The cure for a dead address: a letter to another one.
            _key_like("@address%") & state_in(_e.state, "stopped") & (_e.reason == "bounced"),
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
            lease_until=bindparam("until", type_=UtcTime()),
            # Whatever silenced workers before, it was not preparing this one.
            deaths=0,
            lesson_version=b.c.version,
            message_id=b.c.message_id,
            settled_at=null(),
            resolved_at=null(),
        )
        .returning(_d.id)
    )


def _is_nudge() -> ColumnElement[bool]:
    return _key_like("@nudge%")


def _key_like(pattern: str) -> ColumnElement[bool]:
    # Written out: SQLite plans a statement anew each time if a pattern is bound to it.
    return _d.key.like(literal_column(f"'{pattern}'"))


def _is_reachable() -> ColumnElement[bool]:
    """Whoever takes a break, or wants no nudges, gets none, whenever that was said."""
    return state_in(_e.state, "active", "completed") & _e.nudges.is_(True)


def _later_round() -> ColumnElement[bool]:
    later = enrollments.alias("later")
    return exists().where(
        later.c.learner_id == _e.learner_id,
        later.c.course == _e.course,
        later.c.round > _e.round,
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
    over = (DeliveryState.DEAD, DeliveryState.CANCELLED, DeliveryState.SKIPPED)
    is_over = b.c.state.in_([str(state) for state in over])
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
            first_due_at=case((b.c.new_slot == 1, b.c.not_before), else_=_d.first_due_at),
            verdict=b.c.verdict,
            attempt=_d.attempt - b.c.given_back,
            lease_until=null(),
            settled_at=case((is_over, bindparam("now", type_=UtcTime())), else_=_d.settled_at),
        )
        .returning(_d.id, _d.state, _d.verdict)
    )
