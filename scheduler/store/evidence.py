"""Proof that a mail was taken after all, whatever its worker heard, or did not hear.

Settles only what nobody knew about. Refuses to touch a row that was never handed over, and one
that a worker is just preparing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, String, bindparam, null, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from scheduler.domain.delivery import Delivery, DeliveryState
from scheduler.store import batch
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.history import append
from scheduler.store.mapping import DELIVERY, to_delivery
from scheduler.store.tables import deliveries, state_in

_d = deliveries.c

_ID: batch.Shape = {"id": String()}
TAKEN_AFTER_ALL = "a report proves that it was taken"


def taken_after_all(tx: Tx, delivery_ids: Collection[str], now: datetime) -> list[Delivery]:
    """Deliveries whose hand-over was in doubt, as accepted; `now` is aware UTC.

    Those in doubt: begun and not answered, given up as unknown, or waiting for the one extra
    copy, which then is not needed.
    """
    if not delivery_ids:
        return []
    dialect = tx.dialect.name
    packed = batch.pack(dialect, _ID, ((number,) for number in sorted(set(delivery_ids))))
    before = {
        number: DeliveryState(state) for number, state in tx.execute(_lock(dialect), packed).all()
    }
    if not before:
        return []
    packed = batch.pack(dialect, _ID, ((number,) for number in before))
    rows = tx.execute(_accept(dialect), packed | {"now": now}).all()
    settled = [to_delivery(row) for row in rows]
    append(
        tx,
        ((d.id, now, before[d.id], d.state, d.lease_owner, TAKEN_AFTER_ALL) for d in settled),
    )
    return settled


@cache
def _lock(dialect: str) -> Select[Any]:
    b = batch.table(dialect, _ID)
    in_doubt = state_in(_d.state, "sending", "uncertain", "skipped") | (
        state_in(_d.state, "due", "waiting") & _d.extra_copy.is_(True)
    )
    return (
        select(_d.id, _d.state)
        .join_from(b, deliveries, _d.id == b.c.id)
        .where(_d.sending_at.is_not(None), in_doubt)
        .order_by(_d.id)
        .with_for_update(of=deliveries)
    )


@cache
def _accept(dialect: str) -> ReturningUpdate[Any]:
    b = batch.table(dialect, _ID)
    return (
        update(deliveries)
        .where(_d.id == b.c.id)
        .values(
            state=str(DeliveryState.ACCEPTED),
            settled_at=bindparam("now", type_=UtcTime()),
            verdict=TAKEN_AFTER_ALL,
            lease_until=null(),
            resolved_at=null(),
        )
        .returning(*DELIVERY)
    )
