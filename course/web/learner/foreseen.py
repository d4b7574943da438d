"""When the next lessons come, as a pace has them, or as another one would. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from course.web.learner.standing import Standing
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.rules import due

#: Dates named before a pace is saved.
DATES = 3


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One lesson to come; `at` is aware UTC."""

    position: int
    at: datetime


def foreseen(standing: Standing, run: Enrollment | None = None) -> list[Foreseen]:
    """The next lessons, three at most, if `run` (by default the run as it is) is what is saved.

    Empty where nobody can say: paused until resumed, finished, not confirmed, or waiting for
    a lesson to be written.
    """
    run = run or standing.run
    upcoming, at = standing.next_lesson, _first(standing, run)
    if upcoming is None or at is None:
        return []
    position = upcoming.position
    if at <= standing.now:  # on its way: no pace changes that
        position, at = position + 1, slot_after(run, standing.now)
    dates = []
    for number in range(position, min(position + DATES, len(standing.lessons) + 1)):
        dates.append(Foreseen(number, at))
        at = slot_after(run, at)
    return dates


def slot_after(run: Enrollment, sent_at: datetime) -> datetime:
    """The slot of the lesson after one that leaves at that instant; UTC."""
    after = sent_at + timedelta(seconds=1)
    return due.next_slot(run.cadence, run.timezone, after=after, last_sent_at=sent_at)


def _first(standing: Standing, run: Enrollment) -> datetime | None:
    now, is_same = standing.now, _pace(run) == _pace(standing.run)
    if run.state is EnrollmentState.PAUSED:
        return None if run.paused_until is None else _next_slot(run, max(now, run.paused_until))
    at = standing.next_at
    if at is None or at <= now or is_same:
        return at
    return _next_slot(run, now)


def _next_slot(run: Enrollment, after: datetime) -> datetime:
    return due.next_slot(run.cadence, run.timezone, after=after, last_sent_at=run.last_sent_at)


def _pace(run: Enrollment) -> tuple[object, ...]:
    return run.timezone, run.cadence
