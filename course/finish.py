"""What finishing a course means: which lessons ask for something, what was done, what is open.

Pure, and the one place that judges it: the completed letter, the learner's page and the
certificate all ask here. Refuses to read a database and to say anything in words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from course.source.names import readable
from scheduler.domain.delivery import Deeds

if TYPE_CHECKING:
    from course.catalog import Course

#: Nobody has looked, or nothing was done.
NOTHING = Deeds({})


class Mark(StrEnum):
    """How one lesson stands. Each member carries its meaning in the line above it."""

    #: Its action is ticked.
    DONE = "done"
    #: It was sent, and its action is not ticked.
    OPEN = "open"
    #: It was passed over on purpose and asks for nothing.
    PASSED = "passed"
    #: It has not been sent yet.
    TO_COME = "to_come"


@dataclass(frozen=True, slots=True)
class Task:
    """One lesson of the course, as far as finishing is concerned."""

    #: Its present key first, then its old ones.
    names: tuple[str, ...]
    #: Place in the course, counted from 1.
    number: int
    #: The lesson's title; inline Markdown.
    title: str
    #: What its action leaves in the learner's hands; inline Markdown, else the title.
    leaves: str
    #: False for a lesson without an action: reading it is all.
    asks: bool
    #: The learner's minutes.
    minutes: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One task, and how it stands."""

    task: Task
    mark: Mark
    #: When it was ticked; aware UTC, None unless `DONE`.
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """How far one learner has come in one round."""

    #: The lessons that count, in order: those that ask for something, or all if none does.
    rows: tuple[Row, ...]
    #: Is there anything to be done at all, or only to be read?
    asks: bool
    #: When the course was finished, aware UTC; None while something is open.
    earned_at: datetime | None
    #: Minutes of every lesson that was sent.
    minutes: int

    @property
    def done(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.mark is Mark.DONE)

    @property
    def open(self) -> tuple[Row, ...]:
        """Sent and not done yet."""
        return tuple(row for row in self.rows if row.mark is Mark.OPEN)

    @property
    def counted(self) -> int:
        """How many there are to do; what was passed over is not among them."""
        return sum(1 for row in self.rows if row.mark is not Mark.PASSED)


def tasks_of(course: Course) -> tuple[Task, ...]:
    """Every lesson of the course. One that is being repaired counts as asking for its action."""
    tasks = []
    for ref in course.syllabus.lessons:
        lesson = course.lessons.get(ref.key)
        title = lesson.title if lesson else readable(ref.key)
        action = lesson.action if lesson else None
        tasks.append(
            Task(
                names=(ref.key, *ref.aliases),
                number=ref.position,
                title=title,
                leaves=(action.leaves if action else "") or title,
                asks=lesson is None or action is not None,
                minutes=lesson.minutes() if lesson else 0,
            )
        )
    return tuple(tasks)


def as_tasks(kept: Sequence[Mapping[str, Any]]) -> tuple[Task, ...]:
    """Tasks that were kept as plain data, as `dataclasses.asdict` writes them."""
    return tuple(Task(**{**fields, "names": tuple(fields["names"])}) for fields in kept)


def judge(tasks: Sequence[Task], deeds: Deeds, completed_at: datetime | None) -> Finish:
    """How far a learner has come. `completed_at`: when the last lesson was sent; None before.

    Finished means that the last lesson was sent and every action that was sent is ticked, in
    any order and however late. A lesson that was passed over asks for nothing, nor does one
    that was appended later and never sent; but somebody who did nothing has finished nothing.
    Where no lesson asks for anything, the last lesson is the end.
    """
    every = [_row(task, deeds) for task in tasks]
    if completed_at is not None:
        every = [row for row in every if row.mark is not Mark.TO_COME]
    asks = any(row.task.asks for row in every)
    rows = tuple(row for row in every if row.task.asks or not asks)
    earned_at = completed_at
    if asks and completed_at is not None:
        ticked = [row.done_at for row in rows if row.done_at is not None]
        is_open = any(row.mark is Mark.OPEN for row in rows)
        earned_at = None if is_open or not ticked else max(ticked)
    minutes = sum(row.task.minutes for row in every if row.mark in (Mark.DONE, Mark.OPEN))
    return Finish(rows, asks, earned_at, minutes)


def _row(task: Task, deeds: Deeds) -> Row:
    done = [deeds.done[name] for name in task.names if name in deeds.done]
    if done:
        return Row(task, Mark.DONE, min(done))
    if any(name in deeds.had for name in task.names):
        return Row(task, Mark.OPEN)
    passed = any(name in deeds.skipped for name in task.names)
    return Row(task, Mark.PASSED if passed else Mark.TO_COME)
