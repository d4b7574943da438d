"""What becomes of a claim whose worker went silent, and of a hand-over nobody knows about.

Refuses to make anything due again that may have been handed over, unless told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import bindparam, null, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from scheduler.domain.delivery import Delivery, DeliveryState
from scheduler.store import batch, tables
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.history import append
from scheduler.store.mapping import DELIVERY, to_delivery
from scheduler.store.tables import deliveries, state_in

_d = deliveries.c


@dataclass(frozen=True, slots=True)
class Swept:
    """What was taken from workers that went silent."""

    #: Claims freed; nothing had been handed over.
    freed: int
    #: Hand-overs begun and never reported.
    uncertain: list[Delivery]


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
