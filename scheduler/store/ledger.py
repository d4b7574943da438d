"""The ledger of deliveries: what is owed, what is withdrawn, what is passed over.

Every change of state appends to `delivery_events` in the same transaction. Also the door to
`settling` (outcomes), `deliveries` and `versions` (reading) and `history`. Refuses to claim or
hand over (that is `claims`), and never moves a row whose state no longer fits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from os import urandom
from typing import Any

from sqlalchemy import Integer, String, bindparam, case, insert, literal, null, select, update
from sqlalchemy.sql.dml import ReturningInsert

from scheduler.domain.delivery import DeliveryKind, DeliveryState
from scheduler.store import batch, upsert
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.deliveries import (
    claimed_view,
    deliveries_of,
    delivery,
    id_prefix,
    is_open,
    lesson_keys,
    lesson_states,
    letter_keys,
    open_lessons,
)
from scheduler.store.history import DeliveryEventRow, append, append_alike, history
from scheduler.store.settling import Settlement, settle
from scheduler.store.tables import RowId, deliveries, state_in
from scheduler.store.versions import keep_version, known_versions, version_document

__all__ = [
    "DeliveryEventRow",
    "NewDelivery",
    "Settlement",
    "add_skipped",
    "cancel_open",
    "claimed_view",
    "deliveries_of",
    "delivery",
    "history",
    "is_open",
    "keep_version",
    "known_versions",
    "lesson_keys",
    "lesson_states",
    "letter_keys",
    "open_lessons",
    "owe",
    "postpone_open",
    "requeue",
    "settle",
    "version_document",
]

_d = deliveries.c

_OWED: batch.Shape = {
    "id": String(),
    "enrollment_id": RowId,
    "round": Integer(),
    "kind": String(),
    "key": String(),
    "position": Integer(),
    "to_addr": String(),
    "not_before": UtcTime(),
    "first_due_at": UtcTime(),
}
#: What a row that is owed anew forgets of its earlier life.
_FRESH: dict[str, Any] = {
    "state": str(DeliveryState.DUE),
    "attempt": 0,
    "failures": 0,
    "failing_since": null(),
    "deaths": 0,
    # What may have arrived already comes again, if at all, under the same name and date.
    "dated_at": case((_d.extra_copy.is_(True), _d.dated_at), else_=null()),
    "lesson_version": "",
    "message_id": case((_d.extra_copy.is_(True), _d.message_id), else_=""),
    "lease_owner": "",
    "lease_until": null(),
    "provider_ref": "",
    "verdict": "",
    "sending_at": null(),
    "settled_at": null(),
    "resolved_at": null(),
}

#: Not handed over yet: may still be withdrawn.
_WITHDRAWABLE = (DeliveryState.DUE, DeliveryState.CLAIMED, DeliveryState.WAITING)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One message to be owed; `not_before` and `slot` are aware UTC."""

    enrollment_id: int
    round: int
    kind: DeliveryKind
    key: str
    to_addr: str
    not_before: datetime
    #: Position of the lesson; 0 for letters.
    position: int = 0
    #: The instant it is owed for, where it comes late; else that is `not_before`, weeks ahead
    #: for a follow-up.
    slot: datetime | None = None


def owe(tx: Tx, rows: Sequence[NewDelivery], now: datetime, *, always: bool = False) -> list[str]:
    """Owe these messages; returns the ids of those now due because of this call.

    Replay is harmless: what was owed before under the same enrollment, round and key stays as
    it is, except that a cancelled row is owed anew (same id, attempts from 0). `always` makes
    the same statements even for no rows.
    """
    # One statement may touch a row only once.
    distinct = {(row.enrollment_id, row.round, row.key): row for row in reversed(rows)}
    if not distinct and not always:
        return []
    chosen = list(reversed(distinct.values()))
    ids = _new_ids(now, len(chosen))
    packed = batch.pack(
        tx.dialect.name,
        _OWED,
        (
            (
                *(number, r.enrollment_id, r.round, str(r.kind), r.key),
                *(r.position, r.to_addr, r.not_before, r.slot or r.not_before),
            )
            for number, r in zip(ids, chosen, strict=True)
        ),
    )
    due = list(tx.execute(_owe(tx.dialect.name), packed | {"now": now}).scalars())
    made = set(ids)
    for before, numbers in (
        ("", [number for number in due if number in made]),
        (DeliveryState.CANCELLED, [number for number in due if number not in made]),
    ):
        append_alike(
            *(tx, numbers),
            at=now,
            from_state=before,
            to_state=DeliveryState.DUE,
            always=always and not before,
        )
    return due


def add_skipped(
    tx: Tx, row: NewDelivery, now: datetime, verdict: str = "passed over on purpose"
) -> str | None:
    """Record a lesson as passed over on purpose; None if it was already handed over."""
    existing = tx.execute(
        select(_d.id, _d.state)
        .where(_d.enrollment_id == row.enrollment_id, _d.round == row.round, _d.key == row.key)
        .with_for_update()
    ).one_or_none()
    skipped = {"state": str(DeliveryState.SKIPPED), "settled_at": now, "verdict": verdict}
    if existing is None:
        number = _new_ids(now, 1)[0]
        values = {
            "id": number,
            "enrollment_id": row.enrollment_id,
            "round": row.round,
            "kind": str(row.kind),
            "key": row.key,
            "position": row.position,
            "to_addr": row.to_addr,
            "not_before": row.not_before,
            "first_due_at": now,
            "created_at": now,
        }
        tx.execute(insert(deliveries).values(values | skipped))
        before = ""
    else:
        number, before = existing
        passable = (*_WITHDRAWABLE, DeliveryState.CANCELLED, DeliveryState.DEAD)
        if before not in passable:
            return None
        tx.execute(update(deliveries).where(_d.id == number).values(skipped))
    _note(tx, [(number, before)], DeliveryState.SKIPPED, now, verdict)
    return str(number)


def requeue(tx: Tx, delivery_id: str, now: datetime) -> bool:
    """Owe a dead or refused delivery anew, attempts from 0; False if it is neither."""
    before = tx.execute(
        select(_d.state)
        .where(_d.id == delivery_id, state_in(_d.state, "dead", "refused"))
        .with_for_update()
    ).scalar_one_or_none()
    if before is None:
        return False
    anew = _FRESH | {"not_before": now, "first_due_at": now}
    tx.execute(update(deliveries).where(_d.id == delivery_id).values(anew))
    _note(tx, [(delivery_id, before)], DeliveryState.DUE, now, "owed again by staff")
    return True


def cancel_open(
    tx: Tx,
    enrollment_id: int,
    *,
    now: datetime,
    verdict: str,
    kinds: Collection[DeliveryKind] | None = None,
    after: datetime | None = None,
) -> int:
    """Withdraw what was not handed over yet; returns how many.

    With `after`, only what may not leave before that instant has passed.
    """
    found = _withdrawable(tx, enrollment_id, kinds, after)
    if found:
        values = {"state": str(DeliveryState.CANCELLED), "settled_at": now, "verdict": verdict}
        numbers = [number for number, _ in found]
        tx.execute(
            update(deliveries).where(_d.id.in_(numbers)).values(values | {"lease_until": None})
        )
        _note(tx, found, DeliveryState.CANCELLED, now, verdict)
    return len(found)


def postpone_open(
    tx: Tx,
    enrollment_id: int,
    *,
    not_before: datetime,
    kind: DeliveryKind = DeliveryKind.LESSON,
    but_not: str = "",
) -> int:
    """Move what is due or waiting to another instant, earlier or later; returns how many.

    The delivery `but_not` stays where it is.
    """
    statement = (
        update(deliveries)
        .where(
            _d.enrollment_id == enrollment_id,
            _d.kind == str(kind),
            _d.id != but_not,
            state_in(_d.state, "due", "waiting"),
        )
        # A break is not a delay of delivery: the days for trying begin when it may go again.
        .values(not_before=not_before, first_due_at=not_before, failures=0, failing_since=null())
    )
    return tx.execute(statement).rowcount


def _withdrawable(
    tx: Tx,
    enrollment_id: int,
    kinds: Collection[DeliveryKind] | None,
    after: datetime | None,
) -> list[tuple[str, str]]:
    query = select(_d.id, _d.state).where(
        _d.enrollment_id == enrollment_id, _d.state.in_([str(s) for s in _WITHDRAWABLE])
    )
    if kinds is not None:
        query = query.where(_d.kind.in_([str(kind) for kind in kinds]))
    if after is not None:
        query = query.where(_d.not_before > after)
    return [(number, state) for number, state in tx.execute(query.with_for_update())]


def _note(
    tx: Tx,
    before: Sequence[tuple[str, str]],
    to: DeliveryState,
    now: datetime,
    detail: str,
) -> None:
    append(tx, ((number, now, state, to, "", batch.line(detail)) for number, state in before))


def _new_ids(now: datetime, count: int) -> list[str]:
    """Ids that begin with instant and place in the batch: one morning's rows lie side by side."""
    prefix = id_prefix(now)
    chance = urandom(8 * count).hex()
    return [f"{prefix}{n % 0x10000:04x}{chance[16 * n : 16 * n + 16]}" for n in range(count)]


@cache
def _owe(dialect: str) -> ReturningInsert[Any]:
    b = batch.table(dialect, _OWED)
    now = bindparam("now", type_=UtcTime())
    due = literal(str(DeliveryState.DUE))
    rows = select(*(b.c[name] for name in _OWED), due, now).where(
        b.c.id.is_not(None)
    )  # SQLite needs a WHERE before ON CONFLICT
    statement = upsert.insert(dialect, deliveries).from_select(
        [*_OWED, "state", "created_at"], rows
    )
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["enrollment_id", "round", "key"],
        set_=_FRESH
        | {
            "first_due_at": new.first_due_at,
            "not_before": new.not_before,
            "to_addr": new.to_addr,
            "position": new.position,
        },
        where=state_in(_d.state, "cancelled"),
    ).returning(_d.id)
