"""When the lessons of a course would come, for somebody who has not signed up yet.

A forecast by the rules of the post office: nothing is promised before the address is confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.domain.syllabus import Cadence, Syllabus
from scheduler.rules import due

#: So many are listed, and the last one of the course.
FIRST = 3


@dataclass(frozen=True, slots=True)
class Coming:
    """One lesson and when it would come; `at` is aware UTC."""

    number: int
    at: datetime
    #: It leaves as soon as the address is confirmed.
    at_once: bool
    last: bool


def coming(
    syllabus: Syllabus, cadence: Cadence, timezone: str, *, now: datetime, min_gap: timedelta
) -> list[Coming]:
    """The first lessons and the last, if the address were confirmed `now`."""
    total = len(syllabus.lessons)
    slots = _slots(syllabus, cadence, timezone, now, min_gap)
    every = [
        Coming(number, at, at_once=at <= now, last=number == total)
        for number, at in zip(range(1, total + 1), slots, strict=False)
    ]
    return every if total <= FIRST + 1 else [*every[:FIRST], every[-1]]


def _slots(
    syllabus: Syllabus, cadence: Cadence, timezone: str, now: datetime, min_gap: timedelta
) -> Iterator[datetime]:
    at = due.first_lesson_at(
        cadence,
        timezone,
        now=now,
        at_once=syllabus.first_lesson_at_once,
        last_sent_at=None,
        min_gap=min_gap,
    )
    while True:
        yield at
        at = due.next_slot(cadence, timezone, after=at, last_sent_at=at, min_gap=min_gap)
