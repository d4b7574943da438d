"""Recording what became of a hand-over, in bulk.

Refuses to touch a row that is not being handed over at that very attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, String, case, func, null, update
from sqlalchemy.sql.dml import ReturningUpdate

from scheduler.domain.delivery import Delivery, DeliveryState
from scheduler.store import batch
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.history import append
from scheduler.store.mapping import DELIVERY, to_delivery
from scheduler.store.tables import deliveries, state_in

_d = deliveries.c

_SETTLED: batch.Shape = {
    "id": String(),
    "attempt": Integer(),
    "state": String(),
    "at": UtcTime(),
    "verdict": String(),
    "provider": String(),
    "provider_ref": String(),
    "not_before": UtcTime(),
    "put_off": Integer(),
}


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one hand-over; `at` and `not_before` are aware UTC."""

    delivery_id: str
    attempt: int
    state: DeliveryState
    at: datetime
    verdict: str = ""
    provider: str = ""
    provider_ref: str = ""
    not_before: datetime | None = None
    #: The other side put it off: this attempt counts towards giving up.
    put_off: bool = False


def settle(tx: Tx, settlements: Sequence[Settlement]) -> list[Delivery]:
    """Record outcomes in bulk; returns the rows that changed, as they now are.

    Only a row in `sending` or `uncertain` with that very attempt changes: a late truthful
    answer beats `uncertain`, and anything later than that is ignored.
    """
    if not settlements:
        return []
    waiting = {s.delivery_id: s for s in settlements}
    settled: list[Delivery] = []
    for source in (DeliveryState.SENDING, DeliveryState.UNCERTAIN):
        # Silence is no news about silence: a wait for evidence does not begin anew.
        news = [s for s in waiting.values() if s.state is not source]
        if not news:
            break
        packed = batch.pack(
            tx.dialect.name,
            _SETTLED,
            (
                (
                    *(s.delivery_id, s.attempt, str(s.state), s.at, batch.line(s.verdict)),
                    *(s.provider, batch.line(s.provider_ref, 255), s.not_before, int(s.put_off)),
                )
                for s in news
            ),
        )
        rows = tx.execute(_settle(tx.dialect.name, source), packed).all()
        changed = [to_delivery(row) for row in rows]
        append(
            tx,
            ((d.id, waiting[d.id].at, source, d.state, d.lease_owner, d.verdict) for d in changed),
        )
        settled += changed
        for d in changed:
            del waiting[d.id]
    return settled


@cache
def _settle(dialect: str, source: DeliveryState) -> ReturningUpdate[Any]:
    b = batch.table(dialect, _SETTLED)
    return (
        update(deliveries)
        .where(_d.id == b.c.id, _d.attempt == b.c.attempt, state_in(_d.state, str(source)))
        .values(
            state=b.c.state,
            settled_at=b.c.at,
            verdict=b.c.verdict,
            provider=func.coalesce(func.nullif(b.c.provider, ""), _d.provider),
            provider_ref=func.coalesce(func.nullif(b.c.provider_ref, ""), _d.provider_ref),
            not_before=func.coalesce(b.c.not_before, _d.not_before),
            failures=_d.failures + b.c.put_off,
            failing_since=case(
                (b.c.put_off == 1, func.coalesce(_d.failing_since, b.c.at)),
                else_=_d.failing_since,
            ),
            lease_until=null(),
            resolved_at=null(),
        )
        .returning(*DELIVERY)
    )
