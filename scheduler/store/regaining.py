"""What a worker still holds and has not handed over goes back, whatever the database heard last.

When the answer to a COMMIT is lost, nobody knows whether those rows are marked. Reading them
would not tell: that COMMIT may still be on its way. So they are locked first, which waits for
it. Refuses to touch a row of another worker, or of another attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, String, Update, bindparam, case, null, select, update

from scheduler.domain.delivery import DeliveryState
from scheduler.store import batch
from scheduler.store.database import Tx
from scheduler.store.history import append
from scheduler.store.tables import deliveries, state_in

_d = deliveries.c

_HELD: batch.Shape = {"id": String(), "attempt": Integer()}
_ID: batch.Shape = {"id": String()}
NOT_HANDED_OVER = "the database went away before it was handed over"


def regain(tx: Tx, *, owner: str, unsent: Iterable[tuple[str, int]], now: datetime) -> None:
    """Give back deliveries of which `owner` knows that it never handed them over.

    `unsent`: ids and attempts. Claimed ones are due again; marked ones, and those that were
    called uncertain because of it, wait again. The attempt does not count. Done twice, it
    changes nothing the second time; it waits for a transaction that is still open on the rows.
    """
    dialect = tx.dialect.name
    packed = batch.pack(dialect, _HELD, unsent)
    states = {
        number: DeliveryState(state)
        for number, state in tx.execute(_lock(dialect), packed | {"owner": owner}).all()
    }
    if not states:
        return
    tx.execute(_give_back(dialect), batch.pack(dialect, _ID, ((number,) for number in states)))
    append(
        tx,
        (
            (number, now, before, DeliveryState.DUE, owner, "")
            if before is DeliveryState.CLAIMED
            else (number, now, before, DeliveryState.WAITING, owner, NOT_HANDED_OVER)
            for number, before in states.items()
        ),
    )


@cache
def _lock(dialect: str) -> Select[Any]:
    b = batch.table(dialect, _HELD)
    return (
        select(_d.id, _d.state)
        .join_from(b, deliveries, _d.id == b.c.id)
        .where(
            _d.attempt == b.c.attempt,
            _d.lease_owner == bindparam("owner", type_=String()),
            # One condition for all three: a row that moves on while we wait still meets it.
            state_in(_d.state, "claimed", "sending", "uncertain"),
        )
        .with_for_update(of=deliveries)
    )


@cache
def _give_back(dialect: str) -> Update:
    b = batch.table(dialect, _ID)
    was_only_claimed = state_in(_d.state, "claimed")
    return (
        update(deliveries)
        .where(_d.id == b.c.id)
        .values(
            state=case(
                (was_only_claimed, str(DeliveryState.DUE)), else_=str(DeliveryState.WAITING)
            ),
            verdict=case((was_only_claimed, ""), else_=NOT_HANDED_OVER),
            attempt=_d.attempt - 1,
            lease_until=null(),
            sending_at=case((was_only_claimed, _d.sending_at), else_=null()),
            settled_at=case((was_only_claimed, _d.settled_at), else_=null()),
            resolved_at=null(),
        )
    )
