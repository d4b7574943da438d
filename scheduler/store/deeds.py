"""What learners were sent and have done, for the letters that tell them and for the certificate.

One look for a whole batch. Refuses to look at all for lessons, which never speak of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, select

from scheduler.domain.delivery import Claimed, Deeds, DeliveryState, tells_deeds
from scheduler.domain.enrollment import Enrollment
from scheduler.store import batch
from scheduler.store.database import Tx
from scheduler.store.tables import RowId, deliveries, state_in, ticks
from scheduler.store.ticks import ACTION

_d, _t = deliveries.c, ticks.c


def deeds_of(tx: Tx, runs: Sequence[Enrollment]) -> dict[int, Deeds]:
    """By enrollment id; every run asked for has an entry, possibly of nothing."""
    if not runs:
        return {}
    packed = batch.pack(
        tx.dialect.name, ("id", "round"), {(run.id, run.round): None for run in runs}
    )
    done: dict[int, dict[str, datetime]] = {run.id: {} for run in runs}
    had: dict[int, set[str]] = {run.id: set() for run in runs}
    skipped: dict[int, set[str]] = {run.id: set() for run in runs}
    for enrollment_id, key, at in tx.execute(_done(tx.dialect.name), packed):
        done[enrollment_id][key] = at
    for enrollment_id, key, state in tx.execute(_given(tx.dialect.name), packed):
        kept = skipped if state == DeliveryState.SKIPPED else had
        kept[enrollment_id].add(key)
    return {
        number: Deeds(done[number], frozenset(had[number]), frozenset(skipped[number]))
        for number in done
    }


def with_deeds(tx: Tx, batch_: Sequence[Claimed]) -> list[Claimed]:
    """The same deliveries, with deeds for the letters that may tell them."""
    found = deeds_of(tx, [one.enrollment for one in batch_ if tells_deeds(one.delivery)])
    return [
        replace(one, deeds=found[one.enrollment.id]) if tells_deeds(one.delivery) else one
        for one in batch_
    ]


@cache
def _done(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId, "round": Integer()})
    return (
        select(_t.enrollment_id, _t.lesson_key, _t.ticked_at)
        .select_from(b.join(ticks, _t.enrollment_id == b.c.id))
        .where(_t.item == ACTION)
    )


@cache
def _given(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId, "round": Integer()})
    return (
        select(_d.enrollment_id, _d.key, _d.state)
        .select_from(b.join(deliveries, (_d.enrollment_id == b.c.id) & (_d.round == b.c.round)))
        .where(
            state_in(_d.kind, "lesson"),
            state_in(_d.state, "sending", "accepted", "uncertain", "skipped"),
        )
    )
