"""Many signups in a few statements: who they are, which runs they have, what they were sent.

Each statement is asked even when it is for nobody: how long a signup takes must not tell who is
known. Refuses to decide: `enrolling.asking` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Insert, Integer, Select, String, Update, bindparam, select, update
from sqlalchemy.sql.dml import ReturningInsert

from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Learner
from scheduler.domain.syllabus import Cadence
from scheduler.store import batch, upsert
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.enrollments import tzdata_version, written_at
from scheduler.store.mapping import ENROLLMENT, LEARNER, from_cadence, to_enrollment, to_learner
from scheduler.store.tables import RowId, deliveries, learners, state_in
from scheduler.store.tables import enrollments as runs

_l, _e, _d = learners.c, runs.c, deliveries.c

_PERSON: batch.Shape = {
    "address": String(),
    "address_key": String(),
    "first_name": String(),
    "timezone": String(),
    "language": String(),
}
_RUN: batch.Shape = {
    "learner_id": RowId,
    "course": String(),
    "round": Integer(),
    "timezone": String(),
    "hour": String(),
    "weekdays": String(),
    "every_days": Integer(),
    "last_sent_at": UtcTime(),
}
_NAME: batch.Shape = {"id": RowId, "first_name": String()}


@dataclass(frozen=True, slots=True)
class Newcomer:
    """Who somebody says to be at the form."""

    address: str
    first_name: str
    #: IANA name.
    timezone: str
    language: str


@dataclass(frozen=True, slots=True)
class NewRound:
    """A run to begin that waits for confirmation."""

    learner_id: int
    course: str
    round: int
    timezone: str
    cadence: Cadence
    #: Of the round before, if there was one.
    last_sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter that was ever owed in a run, whatever became of it."""

    enrollment_id: int
    round: int
    key: str
    created_at: datetime


def come_in(tx: Tx, people: Mapping[str, Newcomer], now: datetime) -> dict[str, Learner]:
    """The learner at each address, by address key; those who are not known yet are added."""
    dialect = tx.dialect.name
    rows = [
        (p.address, key, batch.line(p.first_name), p.timezone, p.language)
        # In one order in every program: two that add the same people cannot lock each other out.
        for key, p in sorted(people.items())
    ]
    tx.execute(_add_people(dialect), batch.pack(dialect, _PERSON, rows) | {"now": now})
    packed = batch.pack(dialect, ("key",), ((key,) for key in people))
    return {row[0]: to_learner(row[1:]) for row in tx.execute(_find_people(dialect), packed)}


def rename(tx: Tx, names: Mapping[int, str]) -> None:
    """Give learners, by id, the first name they have just written."""
    rows = ((number, batch.line(name)) for number, name in names.items())
    tx.execute(_rename(tx.dialect.name), batch.pack(tx.dialect.name, _NAME, rows))


def runs_of(tx: Tx, learner_ids: Iterable[int]) -> list[Enrollment]:
    """All runs of these people in the order of their ids; other writers wait for us."""
    packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in learner_ids))
    return [to_enrollment(row) for row in tx.execute(_runs_of(tx.dialect.name), packed)]


def begin(tx: Tx, rounds: Sequence[NewRound], now: datetime) -> list[Enrollment]:
    """Begin these runs; one that a concurrent twin has begun meanwhile is missing."""
    dialect = tx.dialect.name
    rows = [
        (
            *(r.learner_id, r.course, r.round, r.timezone),
            *from_cadence(r.cadence),
            r.last_sent_at,
        )
        for r in rounds
    ]
    packed = batch.pack(dialect, _RUN, rows) | {"now": now, "tzdata": tzdata_version()}
    return [to_enrollment(row) for row in tx.execute(_begin(dialect), packed)]


def letters_of(tx: Tx, enrollment_ids: Iterable[int]) -> list[Letter]:
    """All letters of these runs, withdrawn ones included."""
    packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in enrollment_ids))
    return [Letter(*row) for row in tx.execute(_letters_of(tx.dialect.name), packed)]


@cache
def _add_people(dialect: str) -> Insert:
    b = batch.table(dialect, _PERSON)
    rows = select(
        *(b.c[name] for name in _PERSON), bindparam("now", type_=UtcTime()).label("created_at")
    ).where(b.c.address_key.is_not(None))  # SQLite needs a WHERE before ON CONFLICT
    return (
        upsert.insert(dialect, learners)
        .from_select([*_PERSON, "created_at"], rows)
        .on_conflict_do_nothing()
    )


@cache
def _find_people(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"key": String()})
    return select(_l.address_key, *LEARNER).where(_l.address_key.in_(select(b.c.key)))


@cache
def _rename(dialect: str) -> Update:
    b = batch.table(dialect, _NAME)
    return update(learners).where(_l.id == b.c.id).values(first_name=b.c.first_name)


@cache
def _runs_of(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId})
    query = select(*ENROLLMENT).where(_e.learner_id.in_(select(b.c.id))).order_by(_e.id)
    return query.with_for_update(of=runs)


@cache
def _begin(dialect: str) -> ReturningInsert[Any]:
    b = batch.table(dialect, _RUN)
    rows = select(
        *(b.c[name] for name in _RUN),
        bindparam("state", str(EnrollmentState.PENDING), type_=String()),
        bindparam("now", type_=UtcTime()),
        bindparam("tzdata", type_=String()),
        written_at(dialect),
    ).where(b.c.learner_id.is_not(None))
    return (
        upsert.insert(dialect, runs)
        .from_select([*_RUN, "state", "created_at", "tzdata_version", "updated_at"], rows)
        .on_conflict_do_nothing()
        .returning(*ENROLLMENT)
    )


@cache
def _letters_of(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId})
    return (
        select(_d.enrollment_id, _d.round, _d.key, _d.created_at)
        .where(_d.enrollment_id.in_(select(b.c.id)), state_in(_d.kind, "letter"))
        .order_by(_d.created_at, _d.id)
    )
