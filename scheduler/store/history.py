"""What happened to each delivery, appended in the transaction that did it; never changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Insert, String, insert, select

from scheduler.store import batch
from scheduler.store.columns import UtcTime, to_text
from scheduler.store.database import Tx
from scheduler.store.tables import delivery_events

_COLUMNS: batch.Shape = {
    "delivery_id": String(),
    "at": UtcTime(),
    "from_state": String(),
    "to_state": String(),
    "worker": String(),
    "detail": String(),
}

#: One change: delivery id, when, state before (empty for a new row), state after, worker, detail.
Change = tuple[str, datetime, str, str, str, str]


@dataclass(frozen=True, slots=True)
class DeliveryEventRow:
    """One change of one delivery; `at` is aware UTC."""

    at: datetime
    from_state: str
    to_state: str
    worker: str
    detail: str


def append(tx: Tx, changes: Iterable[Change], *, always: bool = False) -> None:
    """Write the changes down, in the order given; `always` makes the statement even for none."""
    rows = [(number, to_text(at), *what) for number, at, *what in changes]
    if rows or always:
        tx.execute(_append(tx.dialect.name), batch.pack(tx.dialect.name, _COLUMNS, rows))


def history(tx: Tx, delivery_id: str) -> list[DeliveryEventRow]:
    """All that happened to one delivery, oldest first."""
    e = delivery_events.c
    rows = tx.execute(
        select(e.at, e.from_state, e.to_state, e.worker, e.detail)
        .where(e.delivery_id == delivery_id)
        .order_by(e.id)
    )
    return [DeliveryEventRow(*row) for row in rows]


@cache
def _append(dialect: str) -> Insert:
    b = batch.table(dialect, _COLUMNS)
    return insert(delivery_events).from_select(
        list(_COLUMNS), select(*(b.c[name] for name in _COLUMNS))
    )
