"""What learners say they have done, one row per run, lesson and item.

Refuses to judge: whether a key or an item exists is for the caller to know.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from scheduler.store.database import Tx
from scheduler.store.tables import enrollments, ticks
from scheduler.store.upsert import insert

_t = ticks.c

#: The item that is a lesson's one action: with it the lesson is done.
ACTION = "action"
#: How the lesson felt, if its reader says so; at most one of them stands.
CLEAR, CONFUSING = "felt:clear", "felt:confusing"
FEELINGS = (CLEAR, CONFUSING)


@dataclass(frozen=True, slots=True)
class Tick:
    """One thing done; `ticked_at` is aware UTC."""

    lesson_key: str
    item: str
    ticked_at: datetime


def add(tx: Tx, enrollment_id: int, lesson_key: str, item: str, now: datetime) -> bool:
    """Write it down; False if it was already, and then its first instant stays."""
    row = {
        "enrollment_id": enrollment_id,
        "lesson_key": lesson_key,
        "item": item,
        "ticked_at": now,
    }
    statement = insert(tx.dialect.name, ticks).values(row).on_conflict_do_nothing()
    return tx.execute(statement.returning(_t.item)).one_or_none() is not None


def remove(tx: Tx, enrollment_id: int, lesson_keys: Collection[str], item: str) -> bool:
    """Take it back under any of the lesson's names; False if there was nothing to take."""
    where = (_t.enrollment_id == enrollment_id, _t.lesson_key.in_(lesson_keys), _t.item == item)
    return tx.execute(delete(ticks).where(*where)).rowcount > 0


def ticks_of(tx: Tx, enrollment_id: int) -> list[Tick]:
    """All that was done in one run, oldest first."""
    rows = tx.execute(
        select(_t.lesson_key, _t.item, _t.ticked_at)
        .where(_t.enrollment_id == enrollment_id)
        .order_by(_t.ticked_at, _t.lesson_key, _t.item)
    )
    return [Tick(*row) for row in rows]


def felt(tx: Tx, course: str) -> dict[tuple[str, str], int]:
    """How many runs of a course said so of a lesson, by lesson key and feeling."""
    e = enrollments.c
    rows = tx.execute(
        select(_t.lesson_key, _t.item, func.count())
        .join(enrollments, e.id == _t.enrollment_id)
        .where(e.course == course, _t.item.in_(FEELINGS))
        .group_by(_t.lesson_key, _t.item)
    )
    return {(key, item): count for key, item, count in rows}
