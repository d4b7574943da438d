"""How people come in: one by one at the form, or by the thousand from an import.

Refuses to make a second learner for an address, or a second run where one was ever begun.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from unicodedata import normalize

import idna
from sqlalchemy import Integer, Select, String, bindparam, literal, select
from sqlalchemy.sql.dml import ReturningInsert

from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.syllabus import Cadence
from scheduler.store import batch, upsert
from scheduler.store.columns import UtcTime
from scheduler.store.database import Tx
from scheduler.store.enrollments import tzdata_version, written_at
from scheduler.store.mapping import from_cadence
from scheduler.store.tables import RowId, enrollments, learners

#: Rows of an import that go into one statement.
CHUNK = 1000

_PEOPLE: batch.Shape = {
    "address": String(),
    "address_key": String(),
    "first_name": String(),
    "timezone": String(),
    "language": String(),
}
_RUNS: batch.Shape = {
    "learner_id": RowId,
    "course": String(),
    "state": String(),
    "timezone": String(),
    "hour": String(),
    "weekdays": String(),
    "every_days": Integer(),
    "next_due_at": UtcTime(),
    "confirmed_at": UtcTime(),
}


@dataclass(frozen=True, slots=True)
class NewRun:
    """One person of an import and the run they are to begin; `_at` are aware UTC."""

    address: str
    first_name: str
    #: IANA name.
    timezone: str
    language: str
    course: str
    state: EnrollmentState
    cadence: Cadence
    next_due_at: datetime | None = None
    confirmed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """What became of one `NewRun`."""

    address: str
    learner_id: int
    #: None if this person already has, or had, a run of this course.
    enrollment_id: int | None
    #: Was the person here before?
    known: bool


def address_key(address: str) -> str:
    """The address made comparable: NFC, local part casefolded, domain as lower-case A-labels.

    Never raises: what is no address at all is only folded.
    """
    local, at, domain = normalize("NFC", address.strip()).rpartition("@")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode("ascii")
        except idna.IDNAError:
            domain = domain.casefold()
    return f"{local.casefold()}{at}{domain.lower()}"


def add_many(tx: Tx, rows: Sequence[NewRun], now: datetime) -> list[Added]:
    """Bring in many people in a few statements; one answer per row, in the same order.

    Rows of one address and course count once: the first begins the run.
    """
    answers: list[Added] = []
    for start in range(0, len(rows), CHUNK):
        answers += _add_chunk(tx, rows[start : start + CHUNK], now)
    return answers


def _add_chunk(tx: Tx, rows: Sequence[NewRun], now: datetime) -> list[Added]:
    keys = [address_key(row.address) for row in rows]
    first_rows: dict[str, NewRun] = {}
    for key, row in zip(keys, rows, strict=True):
        first_rows.setdefault(key, row)
    learner_ids, newcomers = _bring_in(tx, first_rows, now)
    wanted: dict[tuple[int, str], NewRun] = {}
    for key, row in zip(keys, rows, strict=True):
        wanted.setdefault((learner_ids[key], row.course), row)
    begun = _begin(tx, wanted, now)
    answers = []
    for key, row in zip(keys, rows, strict=True):
        learner_id = learner_ids[key]
        known = key not in newcomers
        newcomers.discard(key)
        # Popped: a second row for the same run gets no number.
        enrollment_id = begun.pop((learner_id, row.course), None)
        answers.append(Added(row.address, learner_id, enrollment_id, known))
    return answers


def _bring_in(tx: Tx, people: dict[str, NewRun], now: datetime) -> tuple[dict[str, int], set[str]]:
    """Learner ids by address key, and the keys of those who were not here before."""
    dialect = tx.dialect.name
    packed = batch.pack(
        dialect,
        _PEOPLE,
        (
            (p.address, key, batch.line(p.first_name), p.timezone, p.language)
            for key, p in people.items()
        ),
    )
    added = tx.execute(_insert_people(dialect), packed | {"now": now}).all()
    ids: dict[str, int] = {key: number for number, key in added}
    newcomers = set(ids)
    missing = people.keys() - newcomers
    if missing:
        query = _find_people(dialect)
        found = tx.execute(query, batch.pack(dialect, ("key",), ((key,) for key in missing)))
        ids |= {key: number for number, key in found}
    return ids, newcomers


def _begin(
    tx: Tx, wanted: dict[tuple[int, str], NewRun], now: datetime
) -> dict[tuple[int, str], int]:
    """Begin round 1 where no run was ever begun; enrollment ids by learner and course."""
    dialect = tx.dialect.name
    packed = batch.pack(
        dialect,
        _RUNS,
        (
            (
                *(learner_id, course, str(row.state), row.timezone),
                *from_cadence(row.cadence),
                *(row.next_due_at, row.confirmed_at),
            )
            for (learner_id, course), row in wanted.items()
        ),
    )
    begun = tx.execute(_insert_runs(dialect), packed | {"now": now, "tzdata": tzdata_version()})
    return {(learner_id, course): number for number, learner_id, course in begun}


@cache
def _insert_people(dialect: str) -> ReturningInsert[Any]:
    b = batch.table(dialect, _PEOPLE)
    rows = select(
        *(b.c[name] for name in _PEOPLE), bindparam("now", type_=UtcTime()).label("created_at")
    ).where(b.c.address_key.is_not(None))  # SQLite needs a WHERE before ON CONFLICT
    return (
        upsert.insert(dialect, learners)
        .from_select([*_PEOPLE, "created_at"], rows)
        .on_conflict_do_nothing()
        .returning(learners.c.id, learners.c.address_key)
    )


@cache
def _find_people(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"key": String()})
    return select(learners.c.id, learners.c.address_key).where(
        learners.c.address_key.in_(select(b.c.key))
    )


@cache
def _insert_runs(dialect: str) -> ReturningInsert[Any]:
    b = batch.table(dialect, _RUNS)
    e = enrollments.c
    earlier = select(e.learner_id, e.course).where(
        e.learner_id == b.c.learner_id, e.course == b.c.course
    )
    rows = select(
        *(b.c[name] for name in _RUNS),
        literal(1),
        bindparam("now", type_=UtcTime()),
        bindparam("tzdata", type_=String()),
        written_at(dialect),
    ).where(~earlier.exists())
    names = [*_RUNS, "round", "created_at", "tzdata_version", "updated_at"]
    return (
        upsert.insert(dialect, enrollments)
        .from_select(names, rows)
        .on_conflict_do_nothing()
        .returning(e.id, e.learner_id, e.course)
    )
