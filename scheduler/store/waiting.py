"""What is held back right now, and in whose words. Refuses to write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from scheduler.store.database import Tx
from scheduler.store.tables import deliveries, state_in

_d = deliveries.c


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """Mails that wait for the same reason."""

    reason: str
    count: int
    #: When the first of them is tried again (UTC).
    next_at: datetime


def waiting(tx: Tx, limit: int = 10) -> list[WaitingRow]:
    """Mails that were put off and will be tried again, by reason, most first."""
    count = func.count()
    query = (
        select(_d.verdict, count, func.min(_d.not_before))
        .where(state_in(_d.state, "waiting"))
        .group_by(_d.verdict)
        .order_by(count.desc(), _d.verdict)
        .limit(limit)
    )
    return [WaitingRow(reason or "no details", n, at) for reason, n, at in tx.execute(query)]
