"""Works out which lessons a run would get and when, by the same rules the worker uses.

Pure: sends nothing, writes nothing, asks no clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.domain.enrollment import Enrollment
from scheduler.domain.syllabus import LessonRef, Readiness, Syllabus
from scheduler.rules import due, progress


@dataclass(frozen=True, slots=True)
class Expected:
    """A lesson to come. With `waits` it is a draft or broken, and nothing leaves until it is
    ready."""

    at: datetime
    lesson: LessonRef
    waits: bool = False

    @property
    def why(self) -> str:
        """Why it waits, in words."""
        if not self.waits:
            return ""
        draft = self.lesson.readiness is Readiness.DRAFT
        return "it is a draft" if draft else "`course check` finds an error in it"


def forecast(
    run: Enrollment,
    syllabus: Syllabus,
    handed_over: set[str],
    first_at: datetime | None,
    *,
    now: datetime,
    min_gap: timedelta,
) -> Iterator[Expected]:
    """The lessons of an active run in their order, with their instants (UTC).

    `first_at` is its next instant as stored; `handed_over` the lesson keys of this round. Ends
    with the last lesson, or at one that waits for its author.
    """
    keys = set(handed_over)
    at = first_at
    last_sent_at = run.last_sent_at
    while at is not None:
        if at < now and due.is_night(run.timezone, now, at):
            at = due.next_slot(
                run.cadence, run.timezone, after=now, last_sent_at=last_sent_at, min_gap=min_gap
            )
        at = max(at, now)
        if not due.may_send(run.timezone, now=at, last_sent_at=last_sent_at, min_gap=min_gap):
            at = due.next_slot(
                run.cadence, run.timezone, after=at, last_sent_at=last_sent_at, min_gap=min_gap
            )
        choice = progress.next_lesson(syllabus, keys)
        if isinstance(choice, progress.Finished):
            return
        yield Expected(at, choice.lesson, waits=isinstance(choice, progress.Hold))
        if isinstance(choice, progress.Hold):
            return
        keys.add(choice.lesson.key)
        last_sent_at = at
        at = due.next_slot(run.cadence, run.timezone, after=at, last_sent_at=at, min_gap=min_gap)
