"""Why people left, in the word they chose as they went; empty when they said nothing.

Refuses to know which words there are: the page that asks does.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, func, select, update

from scheduler.store.database import Tx
from scheduler.store.tables import enrollments, state_in

_e = enrollments.c


def say_why(tx: Tx, enrollment_id: int, because: str) -> None:
    """Keep this word with the run; an empty one takes it away."""
    tx.execute(update(enrollments).where(_e.id == enrollment_id).values(left_because=because))


def why_left(tx: Tx) -> dict[str, int]:
    """Each word -> how many people left a course with it, as their latest run of it stands."""
    rows = tx.execute(
        select(_e.left_because, func.count())
        .where(has_left(), is_latest_round())
        .group_by(_e.left_because)
    )
    return {row[0]: row[1] for row in rows}


def has_left() -> ColumnElement[bool]:
    """A run that its owner ended."""
    return state_in(_e.state, "stopped") & (_e.reason == "left")


def is_latest_round() -> ColumnElement[bool]:
    """No later run of this course was begun by the same person."""
    later = enrollments.alias("later")
    return (
        ~select(later.c.id)
        .where(
            later.c.learner_id == _e.learner_id,
            later.c.course == _e.course,
            later.c.round > _e.round,
        )
        .exists()
    )
