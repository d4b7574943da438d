"""What becomes of a claim whose worker went silent, and of a hand-over nobody knows about.

Refuses to make anything due again that may have been handed over, unless told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Update, bindparam, case, null, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from scheduler.domain.delivery import Delivery, DeliveryState
from scheduler.store import batch, tables
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.history import append
from scheduler.store.mapping import DELIVERY, to_delivery
from scheduler.store.tables import deliveries, state_in

_d = deliveries.c

#: So many workers may go silent over one delivery before it is given up.
MOST_DEATHS = 3
LAPSED = "the worker's lease ran out"
GIVEN_UP = f"given up: {MOST_DEATHS} workers went silent while they prepared it"


@dataclass(frozen=True, slots=True)
class Swept:
    """What was taken from workers that went silent."""

    #: Claims freed; nothing had been handed over.
    freed: int
    #: Claims given up: worker after worker went silent over them.
    dead: list[Delivery]
    #: Hand-overs begun and never reported.
    uncertain: list[Delivery]


def sweep(tx: Tx, now: datetime) -> Swept:
    """Take back what a silent worker holds beyond its lease.

    Claims become due again; begun hand-overs become uncertain, never due.
    """
    silent = [to_delivery(row) for row in tx.execute(_free(), {"now": now}).all()]
    begun = [to_delivery(row) for row in tx.execute(_doubt(), {"now": now}).all()]
    for before, swept in ((DeliveryState.CLAIMED, silent), (DeliveryState.SENDING, begun)):
        append(tx, ((d.id, now, before, d.state, d.lease_owner, LAPSED) for d in swept))
    dead = [d for d in silent if d.state is DeliveryState.DEAD]
    return Swept(len(silent) - len(dead), dead, begun)


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
        if not_before > now:  # a new slot; what may go at once is late for its old one
            values["first_due_at"] = not_before
    if extra_copy:
        conditions.append(_d.extra_copy.is_(False))
        values["extra_copy"] = True
    if tx.execute(update(deliveries).where(*conditions).values(values)).rowcount == 0:
        return False
    append(tx, [(delivery_id, now, DeliveryState.UNCERTAIN, to, "", batch.line(verdict))])
    return True


@cache
def _free() -> ReturningUpdate[Any]:
    once_more = _d.deaths + 1
    is_over = once_more >= MOST_DEATHS
    return (
        _lapsed(DeliveryState.CLAIMED)
        .values(
            state=case((is_over, str(DeliveryState.DEAD)), else_=str(DeliveryState.DUE)),
            deaths=once_more,
            settled_at=case((is_over, bindparam("now", type_=UtcTime())), else_=_d.settled_at),
            verdict=case((is_over, GIVEN_UP), else_=_d.verdict),
            lease_until=null(),
        )
        .returning(*DELIVERY)
    )


@cache
def _doubt() -> ReturningUpdate[Any]:
    return (
        _lapsed(DeliveryState.SENDING)
        .values(
            state=str(DeliveryState.UNCERTAIN),
            settled_at=bindparam("now", type_=UtcTime()),
            verdict=f"no answer: {LAPSED}",
            lease_until=null(),
        )
        .returning(*DELIVERY)
    )


def _lapsed(state: DeliveryState) -> Update:
    return update(deliveries).where(
        tables.IN_HAND,
        state_in(_d.state, str(state)),
        _d.lease_until <= bindparam("now", type_=UtcTime()),
    )
