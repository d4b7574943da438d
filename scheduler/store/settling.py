"""Recording what became of a hand-over, in bulk.

Refuses to touch a row that is not being handed over at that very attempt.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Integer, String, bindparam, case, func, null, update
from sqlalchemy.sql.dml import ReturningUpdate

from scheduler.domain.delivery import DeliveryState, Settled
from scheduler.store import batch
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.history import append_settled
from scheduler.store.mapping import KINDS, STATES
from scheduler.store.tables import deliveries, state_in

_d = deliveries.c

_SETTLED: batch.Shape = {
    "id": String(),
    "attempt": Integer(),
    "state": String(),
    "verdict": String(),
    "provider_ref": String(),
    "not_before": UtcTime(),
    "put_off": Integer(),
}


#: What `settle` tells of each row, in the order of `Settled`.
_TOLD = (_d.id, _d.enrollment_id, _d.round, _d.kind, _d.to_addr, _d.state, _d.sending_at)


class Settlement(NamedTuple):
    """What became of one hand-over."""

    delivery_id: str
    attempt: int
    state: DeliveryState
    verdict: str = ""
    provider_ref: str = ""
    #: Aware UTC; None leaves it as it is.
    not_before: datetime | None = None
    #: The other side put it off: this attempt counts towards giving up.
    put_off: bool = False


def settle(
    tx: Tx, settlements: Sequence[Settlement], *, at: datetime, provider: str = ""
) -> list[Settled]:
    """Record outcomes known `at` (aware UTC) in bulk; returns the rows that changed.

    Only a row in `sending` or `uncertain` with that very attempt changes: a late truthful
    answer beats `uncertain`, and anything later than that is ignored. An empty `provider`
    leaves the one it was claimed for.
    """
    waiting = {s.delivery_id: s for s in settlements}
    settled: list[Settled] = []
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
                    *(s.delivery_id, s.attempt, str(s.state), batch.line(s.verdict)),
                    *(batch.line(s.provider_ref, 255), s.not_before, int(s.put_off)),
                )
                for s in news
            ),
        )
        terms = {"at": at, "provider": provider}
        rows = tx.execute(_settle(tx.dialect.name, source), packed | terms).all()
        append_settled(tx, [row[0] for row in rows], from_state=source)
        for number, run, round_, kind, to_addr, state, sending_at in rows:
            settled.append(
                Settled(number, run, round_, KINDS[kind], to_addr, STATES[state], sending_at)
            )
            del waiting[number]
    return settled


@cache
def _settle(dialect: str, source: DeliveryState) -> ReturningUpdate[Any]:
    b = batch.table(dialect, _SETTLED)
    at, provider = bindparam("at", type_=UtcTime()), bindparam("provider", type_=String())
    return (
        update(deliveries)
        .where(_d.id == b.c.id, _d.attempt == b.c.attempt, state_in(_d.state, str(source)))
        .values(
            state=b.c.state,
            settled_at=at,
            verdict=b.c.verdict,
            provider=func.coalesce(func.nullif(provider, ""), _d.provider),
            provider_ref=func.coalesce(func.nullif(b.c.provider_ref, ""), _d.provider_ref),
            not_before=func.coalesce(b.c.not_before, _d.not_before),
            failures=_d.failures + b.c.put_off,
            failing_since=case(
                (b.c.put_off == 1, func.coalesce(_d.failing_since, at)),
                else_=_d.failing_since,
            ),
            lease_until=null(),
            resolved_at=null(),
        )
        .returning(*_TOLD)
    )
