"""Everything held, as plain JSON-ready values: strings, numbers, booleans and None.

Instants are ISO 8601 in UTC. Yields row by row so that memory stays flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, Table, select

from scheduler.store.columns import to_text
from scheduler.store.database import Tx
from scheduler.store.tables import (
    consents,
    deliveries,
    delivery_events,
    enrollments,
    learners,
    notes,
    provider_events,
    ticks,
)

_l, _e, _d = learners.c, enrollments.c, deliveries.c

#: Bookkeeping of the store that means nothing to anybody else.
_INTERNAL = {"address_key", "updated_at", "tzdata_version", "lease_owner", "lease_until"}


def export_learners(tx: Tx) -> Iterator[dict[str, Any]]:
    """One row per run, oldest first, with the person it belongs to."""
    query = (
        select(
            _l.id.label("learner_id"),
            *(_l.address.label("email"), _l.first_name, _l.language),
            *(_e.id.label("enrollment_id"), _e.course, _e.round, _e.state, _e.reason),
            *(_e.timezone, _e.hour, _e.weekdays, _e.every_days),
            *(_e.created_at, _e.confirmed_at, _e.completed_at),
            *(_e.last_sent_at, _e.next_due_at, _e.paused_until),
        )
        .select_from(enrollments.join(learners, _l.id == _e.learner_id))
        .order_by(_e.id)
    )
    return _rows(tx, query)


def export_deliveries(tx: Tx) -> Iterator[dict[str, Any]]:
    """One row per delivery, oldest first."""
    query = (
        select(
            *(_d.id, _d.enrollment_id, _e.course, _d.round, _d.kind, _d.key),
            *(_d.to_addr, _d.state, _d.attempt, _d.verdict),
            *(_d.created_at, _d.not_before, _d.sending_at, _d.settled_at),
            *(_d.lesson_version, _d.message_id, _d.provider, _d.provider_ref),
        )
        .select_from(deliveries.join(enrollments, _e.id == _d.enrollment_id))
        .order_by(_d.id)
    )
    return _rows(tx, query)


def export_person(tx: Tx, learner_id: int) -> dict[str, Any]:
    """Everything held on one person; empty if there is no such person."""
    person = list(_rows(tx, _all_of(learners).where(_l.id == learner_id)))
    if not person:
        return {}
    own_runs = select(_e.id).where(_e.learner_id == learner_id)
    own_deliveries = select(_d.id).where(_d.enrollment_id.in_(own_runs))
    c, v, p = consents.c, delivery_events.c, provider_events.c
    t, n = ticks.c, notes.c
    return {
        "learner": person[0],
        "enrollments": list(
            _rows(tx, _all_of(enrollments).where(_e.learner_id == learner_id).order_by(_e.id))
        ),
        "consents": list(
            _rows(tx, _all_of(consents).where(c.learner_id == learner_id).order_by(c.id))
        ),
        "deliveries": list(
            _rows(tx, _all_of(deliveries).where(_d.enrollment_id.in_(own_runs)).order_by(_d.id))
        ),
        "delivery_events": list(
            _rows(
                tx,
                _all_of(delivery_events).where(v.delivery_id.in_(own_deliveries)).order_by(v.id),
            )
        ),
        "provider_events": list(
            _rows(
                tx,
                _all_of(provider_events)
                .where(p.delivery_id.in_(own_deliveries))
                .order_by(p.at, p.id),
            )
        ),
        "ticks": list(
            _rows(
                tx,
                _all_of(ticks)
                .where(t.enrollment_id.in_(own_runs))
                .order_by(t.ticked_at, t.lesson_key, t.item),
            )
        ),
        "notes": list(
            _rows(
                tx,
                _all_of(notes)
                .where(n.enrollment_id.in_(own_runs))
                .order_by(n.enrollment_id, n.lesson_key, n.item),
            )
        ),
    }


def _all_of(table: Table) -> Select[Any]:
    return select(*(column for column in table.c if column.name not in _INTERNAL))


def _rows(tx: Tx, query: Select[Any]) -> Iterator[dict[str, Any]]:
    for row in tx.execute(query, execution_options={"yield_per": 1000}).mappings():
        yield _plain(row)


def _plain(row: RowMapping) -> dict[str, Any]:
    return {
        name: to_text(value) if isinstance(value, datetime) else value
        for name, value in row.items()
    }
