"""What happened to each delivery, appended in the transaction that did it; never changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Insert, String, bindparam, insert, literal_column, select

from scheduler.store import batch
from scheduler.store.columns import UtcTime, to_text
from scheduler.store.database import Tx
from scheduler.store.tables import deliveries, delivery_events

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


def append(tx: Tx, changes: Iterable[Change]) -> None:
    """Write the changes down, in the order given."""
    rows = [(number, to_text(at), *what) for number, at, *what in changes]
    if rows:
        tx.execute(_append(tx.dialect.name), batch.pack(tx.dialect.name, _COLUMNS, rows))


def append_alike(
    tx: Tx,
    delivery_ids: Sequence[str],
    *,
    at: datetime,
    from_state: str,
    to_state: str,
    worker: str = "",
    always: bool = False,
) -> None:
    """Write one change down that all of these made; `always` makes the statement even for none."""
    if delivery_ids or always:
        what = {"at": at, "from_state": from_state, "to_state": to_state, "worker": worker}
        packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in delivery_ids))
        tx.execute(_append_alike(tx.dialect.name), packed | what)


def append_settled(tx: Tx, delivery_ids: Sequence[str], *, from_state: str) -> None:
    """Write down that these have just been settled, in the words of their rows."""
    if delivery_ids:
        packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in delivery_ids))
        tx.execute(_append_settled(tx.dialect.name), packed | {"from_state": from_state})


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


@cache
def _append_alike(dialect: str) -> Insert:
    b = batch.table(dialect, {"id": String()})
    return insert(delivery_events).from_select(
        list(_COLUMNS),
        select(
            b.c.id,
            bindparam("at", type_=UtcTime()),
            *(bindparam(name, type_=String()) for name in ("from_state", "to_state", "worker")),
            literal_column("''"),
        ),
    )


@cache
def _append_settled(dialect: str) -> Insert:
    b = batch.table(dialect, {"id": String()})
    d = deliveries.c
    return insert(delivery_events).from_select(
        list(_COLUMNS),
        select(
            *(d.id, d.settled_at, bindparam("from_state", type_=String())),
            *(d.state, d.lease_owner, d.verdict),
        ).join_from(b, deliveries, d.id == b.c.id),
    )
