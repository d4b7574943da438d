"""Runs through courses: reading, adding, saving, and the questions upkeep asks of them.

Refuses to change a state on its own: `rules.progress` decides, this writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    String,
    Update,
    bindparam,
    exists,
    func,
    literal_column,
    null,
    select,
    update,
)

from scheduler import zones
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.syllabus import Cadence
from scheduler.store import batch, tables, upsert
from scheduler.store.columns import UtcTime, to_text
from scheduler.store.database import Tx
from scheduler.store.facts import get_meta, set_meta
from scheduler.store.mapping import ENROLLMENT, from_cadence, to_enrollment
from scheduler.store.tables import RowId, deliveries, state_in
from scheduler.store.tables import enrollments as runs

_e = runs.c

#: Release of the zone data that every planned run follows.
_ZONES_FOLLOWED = "zones followed"

#: Columns a save may change, with the type each has in a batch.
_SAVED: batch.Shape = {
    "state": String(),
    "reason": String(),
    "timezone": String(),
    "hour": String(),
    "weekdays": String(),
    "every_days": Integer(),
    "confirmed_at": UtcTime(),
    "completed_at": UtcTime(),
    "last_sent_at": UtcTime(),
    "next_due_at": UtcTime(),
    "paused_until": UtcTime(),
}

#: What a hand-over changes, like `_SAVED`.
_GONE_ON: batch.Shape = {"last_sent_at": UtcTime(), "next_due_at": UtcTime()}


def enrollment(tx: Tx, enrollment_id: int, *, lock: bool = False) -> Enrollment | None:
    """One run; with `lock`, other writers wait for this transaction."""
    return enrollments(tx, [enrollment_id], lock=lock).get(enrollment_id)


def enrollments(tx: Tx, ids: Sequence[int], *, lock: bool = False) -> dict[int, Enrollment]:
    """Those of the runs that exist, by id; locked in the order of their ids."""
    if not ids:
        return {}
    packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in set(ids)))
    rows = tx.execute(_by_id(tx.dialect.name, lock), packed).all()
    return {row[0]: to_enrollment(row) for row in rows}


def enrollments_of(tx: Tx, learner_id: int) -> list[Enrollment]:
    """All runs of one person, newest first."""
    return _read(tx, _select().where(_e.learner_id == learner_id).order_by(_e.id.desc()))


def latest_enrollment(tx: Tx, learner_id: int, course: str) -> Enrollment | None:
    """The run of this course with the highest round."""
    found = _read(
        tx,
        _select()
        .where(_e.learner_id == learner_id, _e.course == course)
        .order_by(_e.round.desc())
        .limit(1),
    )
    return found[0] if found else None


def add_enrollment(
    tx: Tx,
    *,
    learner_id: int,
    course: str,
    round: int,  # noqa: A002 - the word of the glossary
    state: EnrollmentState,
    timezone: str,
    cadence: Cadence,
    now: datetime,
    next_due_at: datetime | None = None,
    confirmed_at: datetime | None = None,
    last_sent_at: datetime | None = None,
) -> Enrollment | None:
    """A new run; None if one is open already, or a concurrent twin was faster."""
    hour, weekdays, every_days = from_cadence(cadence)
    statement = upsert.insert(tx.dialect.name, runs).values(
        learner_id=learner_id,
        course=course,
        round=round,
        state=str(state),
        timezone=timezone,
        hour=hour,
        weekdays=weekdays,
        every_days=every_days,
        created_at=now,
        confirmed_at=confirmed_at,
        last_sent_at=last_sent_at,
        next_due_at=next_due_at,
        tzdata_version=tzdata_version(),
        updated_at=written_at(tx.dialect.name),
    )
    row = tx.execute(statement.on_conflict_do_nothing().returning(*ENROLLMENT)).one_or_none()
    return None if row is None else to_enrollment(row)


def save_enrollment(tx: Tx, enrollment: Enrollment) -> None:
    """Write every field a rule may change; learner, course, round and creation stay."""
    save_enrollments(tx, [enrollment])


def save_enrollments(tx: Tx, many: Sequence[Enrollment], *, always: bool = False) -> None:
    """The same for many runs, in one statement; `always` makes it even for none."""
    if not many and not always:
        return
    rows = (
        (
            *(run.id, str(run.state), run.reason, run.timezone, *from_cadence(run.cadence)),
            *(run.confirmed_at, run.completed_at, run.last_sent_at),
            *(run.next_due_at, run.paused_until),
        )
        for run in many
    )
    packed = batch.pack(tx.dialect.name, ("id", *_SAVED), rows)
    tx.execute(_save(tx.dialect.name), packed | {"tzdata": tzdata_version()})


def lesson_opened(tx: Tx, ids: Sequence[int]) -> None:
    """A lesson is owed to each of these: nothing further falls until it has settled."""
    if ids:
        packed = batch.pack(tx.dialect.name, ("id",), ((number,) for number in ids))
        tx.execute(_opened(tx.dialect.name), packed)


def lesson_handed_over(tx: Tx, many: Sequence[tuple[int, datetime, datetime]]) -> None:
    """Enrollment, when its lesson was handed over, and when the next one falls; for many runs."""
    if many:
        rows = ((number, to_text(sent_at), to_text(due_at)) for number, sent_at, due_at in many)
        packed = batch.pack(tx.dialect.name, ("id", *_GONE_ON), rows)
        tx.execute(_handed_over(tx.dialect.name), packed | {"tzdata": tzdata_version()})


def pauses_ended(tx: Tx, now: datetime, limit: int) -> list[Enrollment]:
    """Paused runs whose pause is over, oldest first; locked, leaving out what others hold."""
    query = _select().where(tables.PAUSE_ENDS, _e.paused_until <= now).order_by(_e.paused_until)
    return _read(tx, _for_us(query.limit(limit)))


def signups_expired(tx: Tx, before: datetime, limit: int) -> list[Enrollment]:
    """Signups begun before then and never confirmed, oldest first; locked like `pauses_ended`."""
    query = _select().where(tables.RUN_IS_PENDING, _e.created_at < before)
    return _read(tx, _for_us(query.order_by(_e.created_at).limit(limit)))


def stranded(tx: Tx, limit: int) -> list[Enrollment]:
    """Active runs with no next instant and no open lesson in this round; locked likewise.

    The ones least recently written come first, so that those that stay so do not
    keep the others waiting.
    """
    d = deliveries.c
    has_open_lesson = exists().where(
        d.enrollment_id == _e.id,
        d.round == _e.round,
        state_in(d.kind, "lesson"),
        state_in(d.state, "due", "claimed", "sending", "waiting"),
    )
    query = _select().where(tables.RUN_IS_UNPLANNED, ~has_open_lesson)
    return _read(tx, _for_us(query.order_by(_e.updated_at).limit(limit)))


def stamped_with_other_tzdata(tx: Tx, limit: int) -> list[Enrollment]:
    """Planned runs whose instant was computed with another release of the zone data.

    Saving a run stamps it with today's release, so asking again ends; once nothing is left
    that is remembered, and asking costs one look.
    """
    if get_meta(tx, _ZONES_FOLLOWED) == tzdata_version():
        return []
    query = _select().where(tables.RUN_IS_PLANNED, _e.tzdata_version != tzdata_version())
    found = _read(tx, _for_us(query.order_by(_e.next_due_at).limit(limit)))
    if not found:
        set_meta(tx, _ZONES_FOLLOWED, tzdata_version())
    return found


def active_after(tx: Tx, now: datetime) -> Iterator[Enrollment]:
    """Active runs whose next lesson falls later than now, in that order."""
    query = _select().where(tables.RUN_IS_PLANNED, _e.next_due_at > now)
    rows = tx.execute(query.order_by(_e.next_due_at), execution_options={"yield_per": 1000})
    for row in rows:
        yield to_enrollment(row)


@cache
def tzdata_version() -> str:
    """Release of the zone data in use."""
    return zones.version()


def written_at(dialect: str) -> ColumnElement[datetime]:
    """The database's own clock, for `updated_at`."""
    if dialect == "sqlite":
        return literal_column("strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", UtcTime())
    return func.now(type_=UtcTime())


def _select() -> Select[Any]:
    return select(*ENROLLMENT)


def _for_us(query: Select[Any]) -> Select[Any]:
    return query.with_for_update(key_share=True, skip_locked=True, of=runs)


def _read(tx: Tx, query: Select[Any]) -> list[Enrollment]:
    return [to_enrollment(row) for row in tx.execute(query).all()]


@cache
def _by_id(dialect: str, lock: bool) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId})
    query = _select().where(_e.id.in_(select(b.c.id))).order_by(_e.id)
    return query.with_for_update(key_share=True, of=runs) if lock else query


@cache
def _save(dialect: str) -> Update:
    return _update(dialect, _SAVED)


@cache
def _handed_over(dialect: str) -> Update:
    return _update(dialect, _GONE_ON)


def _update(dialect: str, columns: batch.Shape) -> Update:
    b = batch.table(dialect, {"id": RowId} | columns)
    return (
        update(runs)
        .where(_e.id == b.c.id)
        .values(
            {name: b.c[name] for name in columns}
            | {
                "tzdata_version": bindparam("tzdata", type_=String()),
                "updated_at": written_at(dialect),
            }
        )
    )


@cache
def _opened(dialect: str) -> Update:
    b = batch.table(dialect, {"id": RowId})
    return (
        update(runs)
        .where(_e.id == b.c.id)
        .values(next_due_at=null(), updated_at=written_at(dialect))
    )
