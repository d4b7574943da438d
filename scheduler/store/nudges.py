"""Who has gone quiet after a lesson, and who wants to be written to about it.

Each lesson is looked at once, two days after it was owed: ids of deliveries begin with that
instant, so the look is a range of the primary key. Refuses to decide on the hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Integer, Select, String, bindparam, exists, or_, select, update

from scheduler.domain.delivery import nudge_of
from scheduler.store import batch
from scheduler.store.database import Tx
from scheduler.store.deliveries import id_prefix
from scheduler.store.facts import get_meta, set_meta
from scheduler.store.tables import RowId, deliveries, enrollments, state_in, ticks

_d, _e, _t = deliveries.c, enrollments.c, ticks.c

#: meta: lessons owed up to here have been looked at; the beginning of a delivery's id.
_LOOKED_AT = "nudges looked for up to"


@dataclass(frozen=True, slots=True)
class QuietLesson:
    """The latest lesson of a round, neither done nor followed by a sign of its reader."""

    delivery_id: str
    enrollment_id: int
    round: int
    key: str
    #: All aware UTC.
    sent_at: datetime
    visited_at: datetime | None


@dataclass(frozen=True, slots=True)
class Mails:
    """What else a round was sent, and what it is owed on which instant; aware UTC."""

    #: Nudges that were not withdrawn, by key: the instant each was owed for.
    nudges: dict[str, datetime]
    others: tuple[datetime, ...]


def wanted(tx: Tx, enrollment_id: int) -> bool:
    """Does this learner want to be written to after days of silence? False for no such run."""
    return bool(tx.execute(select(_e.nudges).where(_e.id == enrollment_id)).scalar())


def want(tx: Tx, enrollment_id: int, wanted: bool) -> None:
    """Write down what the learner wants."""
    tx.execute(update(enrollments).where(_e.id == enrollment_id).values(nudges=wanted))


def looked_at(tx: Tx) -> str | None:
    """Up to which lesson quiet learners were looked for; None before the first look."""
    return get_meta(tx, _LOOKED_AT)


def set_looked_at(tx: Tx, place: str) -> None:
    """Lessons up to there need no further look."""
    set_meta(tx, _LOOKED_AT, place)


def place_of(instant: datetime) -> str:
    """What divides the lessons owed before this instant from those owed at it or later."""
    return id_prefix(instant)


def quiet_lessons(tx: Tx, after: str, before: str, limit: int) -> list[QuietLesson]:
    """Those among the lessons between two places, in the order in which they were owed."""
    asked = {"after": after, "before": before, "most": limit}
    return [QuietLesson(*row) for row in tx.execute(_between(), asked)]


def still_quiet(tx: Tx, rounds: Sequence[tuple[int, str]]) -> dict[int, QuietLesson]:
    """Which of these lessons (run, key) are still the latest, and unanswered; by run."""
    if not rounds:
        return {}
    packed = batch.pack(tx.dialect.name, ("id", "key"), rounds)
    found = [QuietLesson(*row) for row in tx.execute(_these(tx.dialect.name), packed)]
    return {lesson.enrollment_id: lesson for lesson in found}


def mails_of(tx: Tx, rounds: Sequence[tuple[int, int]]) -> dict[int, Mails]:
    """What each (run, round) was sent and is owed; every run asked for has an entry."""
    nudges: dict[int, dict[str, datetime]] = defaultdict(dict)
    others: dict[int, list[datetime]] = defaultdict(list)
    if rounds:
        packed = batch.pack(tx.dialect.name, ("id", "round"), rounds)
        for run, key, owed_for, sent_at in tx.execute(_mails(tx.dialect.name), packed):
            if nudge_of(key) is not None:
                nudges[run][key] = owed_for
            else:
                others[run].append(sent_at or owed_for)
    return {run: Mails(nudges[run], tuple(others[run])) for run, _ in rounds}


def _quiet() -> Select[Any]:
    later, newer = deliveries.alias("later"), enrollments.alias("newer")
    answered = exists().where(_t.enrollment_id == _d.enrollment_id, _t.ticked_at >= _d.sending_at)
    has_later = exists().where(
        later.c.enrollment_id == _d.enrollment_id,
        later.c.round == _d.round,
        state_in(later.c.kind, "lesson"),
        ~state_in(later.c.state, "cancelled", "skipped"),
        later.c.id > _d.id,
    )
    has_newer = exists().where(
        newer.c.learner_id == _e.learner_id,
        newer.c.course == _e.course,
        newer.c.round > _e.round,
    )
    return (
        select(_d.id, _d.enrollment_id, _d.round, _d.key, _d.sending_at, _e.visited_at)
        .select_from(deliveries.join(enrollments, _e.id == _d.enrollment_id))
        .where(
            state_in(_d.kind, "lesson"),
            state_in(_d.state, "accepted", "uncertain"),
            _d.round == _e.round,
            state_in(_e.state, "active", "completed"),
            _e.nudges.is_(True),
            or_(_e.visited_at.is_(None), _e.visited_at < _d.sending_at),
            ~answered,
            ~has_later,
            ~has_newer,
        )
    )


@cache
def _between() -> Select[Any]:
    after, before = bindparam("after", type_=String()), bindparam("before", type_=String())
    return (
        _quiet()
        .where(_d.id > after, _d.id < before)
        .order_by(_d.id)
        .limit(bindparam("most", type_=Integer()))
    )


@cache
def _these(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId, "key": String()})
    return _quiet().where(_d.enrollment_id == b.c.id, _d.key == b.c.key)


@cache
def _mails(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"id": RowId, "round": Integer()})
    return (
        select(_d.enrollment_id, _d.key, _d.first_due_at, _d.sending_at)
        .select_from(b.join(deliveries, (_d.enrollment_id == b.c.id) & (_d.round == b.c.round)))
        .where(~state_in(_d.state, "cancelled", "skipped"))
    )
