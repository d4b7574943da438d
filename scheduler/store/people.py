"""Learners and what they agreed to: finding, changing, erasing.

Also the door to what else belongs to a person, which lives in `joining`, `enrollments`,
`suppressions` and `facts`. Refuses to keep two learners for one address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Delete, Insert, Select, String, delete, func, insert, select, update

from scheduler.domain.learner import Consent, Learner
from scheduler.store import batch
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.departures import say_why
from scheduler.store.enrollments import (
    active_after,
    add_enrollment,
    enrollment,
    enrollments,
    enrollments_of,
    latest_enrollment,
    lesson_handed_over,
    lesson_opened,
    pauses_ended,
    save_enrollment,
    save_enrollments,
    signups_expired,
    stamped_with_other_tzdata,
    stranded,
)
from scheduler.store.facts import AuditRow, add_audit, audit_trail, get_meta, set_meta
from scheduler.store.joining import Added, NewRun, add_many, address_key
from scheduler.store.mapping import CONSENT, LEARNER, to_consent, to_learner
from scheduler.store.suppressions import (
    Suppression,
    lift,
    suppress,
    suppressed,
    suppression,
    unsuppress,
)
from scheduler.store.tables import (
    RowId,
    audit,
    consents,
    deliveries,
    delivery_events,
    learners,
    notes,
    provider_events,
    ticks,
)
from scheduler.store.tables import enrollments as runs

__all__ = [
    "Added",
    "AuditRow",
    "NewRun",
    "Suppression",
    "active_after",
    "add_audit",
    "add_consent",
    "add_consents",
    "add_enrollment",
    "add_many",
    "address_key",
    "addresses",
    "audit_trail",
    "consents_of",
    "enrollment",
    "enrollments",
    "enrollments_of",
    "erase",
    "find_learner",
    "get_meta",
    "latest_enrollment",
    "learner",
    "lesson_handed_over",
    "lesson_opened",
    "lift",
    "pauses_ended",
    "save_enrollment",
    "save_enrollments",
    "say_why",
    "set_meta",
    "signups_expired",
    "stamped_with_other_tzdata",
    "stranded",
    "suppress",
    "suppressed",
    "suppression",
    "unsuppress",
    "update_learner",
]

_l = learners.c

_CONSENT: batch.Shape = {
    "learner_id": RowId,
    "enrollment_id": RowId,
    "action": String(),
    "text": String(),
    "source": String(),
    "at": UtcTime(),
    "ip_hash": String(),
    "user_agent": String(),
}


def find_learner(tx: Tx, address: str) -> Learner | None:
    """The person at this address, however it is written."""
    row = tx.execute(select(*LEARNER).where(_l.address_key == address_key(address))).one_or_none()
    return None if row is None else to_learner(row)


def learner(tx: Tx, learner_id: int) -> Learner | None:
    """The person with this number."""
    row = tx.execute(select(*LEARNER).where(_l.id == learner_id)).one_or_none()
    return None if row is None else to_learner(row)


def addresses(tx: Tx, learner_ids: Sequence[int]) -> dict[int, str]:
    """Where mail goes, by learner id, in one query."""
    if not learner_ids:
        return {}
    packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in set(learner_ids)))
    rows = tx.execute(_addresses(tx.dialect.name), packed).all()
    return {row[0]: row[1] for row in rows}


def update_learner(
    tx: Tx,
    learner_id: int,
    *,
    first_name: str | None = None,
    timezone: str | None = None,
    language: str | None = None,
) -> None:
    """Change what is given. The address is not among it: see `moving`."""
    name = None if first_name is None else batch.line(first_name)
    given = {"first_name": name, "timezone": timezone, "language": language}
    values = {column: value for column, value in given.items() if value is not None}
    if values:
        tx.execute(update(learners).where(_l.id == learner_id).values(values))


def add_consent(tx: Tx, learner_id: int, enrollment_id: int | None, consent: Consent) -> None:
    """Write down what was agreed."""
    add_consents(tx, [(learner_id, enrollment_id, consent)])


def add_consents(
    tx: Tx, rows: Sequence[tuple[int, int | None, Consent]], *, always: bool = False
) -> None:
    """The same for many people, in one statement; `always` makes it even for none."""
    if not rows and not always:
        return
    packed = batch.pack(
        tx.dialect.name,
        _CONSENT,
        (
            (who, run, c.action, c.text, c.source, c.at, c.ip_hash, batch.line(c.user_agent))
            for who, run, c in rows
        ),
    )
    tx.execute(_insert_consents(tx.dialect.name), packed)


def consents_of(tx: Tx, learner_id: int) -> list[tuple[int | None, Consent]]:
    """All a person agreed to, oldest first, each with the enrollment it is about."""
    c = consents.c
    rows = tx.execute(
        select(c.enrollment_id, *CONSENT).where(c.learner_id == learner_id).order_by(c.id)
    )
    return [(row[0], to_consent(row[1:])) for row in rows]


def erase(tx: Tx, learner_id: int) -> int:
    """Remove a person from every table; returns how many rows went.

    A suppression stays (it is only a hash), and staff's audit trail keeps its entries with
    the address blacked out.
    """
    person = learner(tx, learner_id)
    if person is None:
        return 0
    own_runs = select(runs.c.id).where(runs.c.learner_id == learner_id)
    own_deliveries = select(deliveries.c.id).where(deliveries.c.enrollment_id.in_(own_runs))
    steps: tuple[Delete, ...] = (
        delete(delivery_events).where(delivery_events.c.delivery_id.in_(own_deliveries)),
        delete(provider_events).where(provider_events.c.delivery_id.in_(own_deliveries)),
        delete(deliveries).where(deliveries.c.enrollment_id.in_(own_runs)),
        delete(ticks).where(ticks.c.enrollment_id.in_(own_runs)),
        delete(notes).where(notes.c.enrollment_id.in_(own_runs)),
        delete(consents).where(consents.c.learner_id == learner_id),
        delete(runs).where(runs.c.learner_id == learner_id),
        delete(learners).where(_l.id == learner_id),
    )
    # Whoever is planning for this person right now finishes first.
    tx.execute(own_runs.with_for_update())
    removed = sum(tx.execute(step).rowcount for step in steps)
    _black_out(tx, {person.address, address_key(person.address)})
    return removed


def _black_out(tx: Tx, spellings: set[str]) -> None:
    for address in spellings:
        mentions = func.lower(audit.c.detail).contains(address.lower(), autoescape=True)
        found = tx.execute(select(audit.c.id, audit.c.detail).where(mentions)).all()
        for number, detail in found:
            cleaned = re.sub(re.escape(address), "(erased)", detail, flags=re.IGNORECASE)
            tx.execute(update(audit).where(audit.c.id == number).values(detail=cleaned))


@cache
def _addresses(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId})
    return select(_l.id, _l.address).where(_l.id.in_(select(b.c.id)))


@cache
def _insert_consents(dialect: str) -> Insert:
    b = batch.table(dialect, _CONSENT)
    return insert(consents).from_select(list(_CONSENT), select(*(b.c[n] for n in _CONSENT)))
