"""Reading deliveries: one, a run's, and what a run was already given. Refuses to write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, select

from scheduler.domain.delivery import Claimed, Delivery
from scheduler.domain.enrollment import Enrollment
from scheduler.store import batch
from scheduler.store.database import Tx
from scheduler.store.deeds import with_deeds
from scheduler.store.mapping import CLAIMED, DELIVERY, to_claimed, to_delivery
from scheduler.store.tables import RowId, enrollments, learners, state_in
from scheduler.store.tables import deliveries as ledger

_d = ledger.c

#: A lesson in one of these is still to go; an uncertain one has gone as far as anybody knows.
_OPEN = ("due", "claimed", "sending", "waiting")


def delivery(tx: Tx, delivery_id: str) -> Delivery | None:
    """The delivery with this id."""
    row = tx.execute(select(*DELIVERY).where(_d.id == delivery_id)).one_or_none()
    return None if row is None else to_delivery(row)


def deliveries_of(tx: Tx, enrollment_id: int) -> list[Delivery]:
    """All that was ever owed in a run, oldest first."""
    rows = tx.execute(
        select(*DELIVERY)
        .where(_d.enrollment_id == enrollment_id)
        .order_by(_d.created_at, _d.position, _d.id)
    )
    return [to_delivery(row) for row in rows]


def claimed_view(tx: Tx, delivery_id: str) -> Claimed | None:
    """A delivery with its run and learner, as a composer sees it, claimed or not."""
    row = tx.execute(with_people().where(_d.id == delivery_id)).one_or_none()
    return None if row is None else with_deeds(tx, [to_claimed(row)])[0]


def with_people(columns: Sequence[ColumnElement[Any]] = CLAIMED) -> Select[Any]:
    """Deliveries joined with their run and learner, by default in the columns of `to_claimed`."""
    return select(*columns).select_from(
        ledger.join(enrollments, enrollments.c.id == _d.enrollment_id).join(
            learners, learners.c.id == enrollments.c.learner_id
        )
    )


def id_prefix(instant: datetime) -> str:
    """How the ids of deliveries made at this instant begin.

    With wholly random ids every insert would touch another page of the index, and a table
    of millions would be slower than a small one.
    """
    return f"{int(instant.timestamp() * 1000):012x}"


def lesson_keys(tx: Tx, enrollments: Sequence[Enrollment]) -> dict[int, set[str]]:
    """The lessons each run was given or is owed in its current round; cancelled ones are not.

    Every run asked for has an entry, possibly empty.
    """
    return {number: set(states) for number, states in lesson_states(tx, enrollments).items()}


def lesson_states(tx: Tx, enrollments: Sequence[Enrollment]) -> dict[int, dict[str, str]]:
    """The same with the state of each, as the ledger writes it."""
    states: dict[int, dict[str, str]] = {run.id: {} for run in enrollments}
    if states:
        packed = batch.pack(
            tx.dialect.name, ("id", "round"), ((run.id, run.round) for run in enrollments)
        )
        for enrollment_id, key, state in tx.execute(_lessons(tx.dialect.name), packed).all():
            states[enrollment_id][key] = state
    return states


def is_open(state: str) -> bool:
    """Is a lesson in this state still to go?"""
    return state in _OPEN


def letter_keys(tx: Tx, enrollment_id: int, round: int) -> set[str]:  # noqa: A002
    """The letters this round was given or is owed; cancelled ones are not."""
    rows = tx.execute(
        select(_d.key).where(
            _d.enrollment_id == enrollment_id,
            _d.round == round,
            state_in(_d.kind, "letter"),
            _d.state != "cancelled",
        )
    )
    return set(rows.scalars())


def open_lessons(tx: Tx, enrollment_ids: Sequence[int]) -> dict[int, list[Delivery]]:
    """The lessons still to go to each run, oldest first; every run asked for has an entry.

    An uncertain one has been handed over as far as anybody knows: nothing waits for it.
    """
    found: dict[int, list[Delivery]] = {number: [] for number in enrollment_ids}
    if found:
        packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in found))
        for row in tx.execute(_open_lessons(tx.dialect.name), packed).all():
            lesson = to_delivery(row)
            found[lesson.enrollment_id].append(lesson)
    return found


@cache
def _lessons(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId, "round": Integer()})
    return (
        select(_d.enrollment_id, _d.key, _d.state)
        .select_from(b.join(ledger, (_d.enrollment_id == b.c.id) & (_d.round == b.c.round)))
        .where(state_in(_d.kind, "lesson"), _d.state != "cancelled")
    )


@cache
def _open_lessons(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId})
    return (
        select(*DELIVERY)
        .where(
            _d.enrollment_id.in_(select(b.c.id)),
            state_in(_d.kind, "lesson"),
            state_in(_d.state, *_OPEN),
        )
        .order_by(_d.created_at, _d.id)
    )
