"""All the post office knows of a course: lesson keys in order, a cadence, its letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from typing import Literal

#: What becomes of a hand-over whose outcome nobody knows, once evidence has had its time:
#: one more copy under the same Message-ID, nothing at all, or on to the next lesson.
Policy = Literal["resend_once", "hold", "skip"]


class Readiness(StrEnum):
    """May a lesson go out? Each member carries its meaning in the line above it."""

    #: Sound and published.
    PUBLISHED = "published"
    #: Its author marked it `draft: true`; a learner who arrives at it waits.
    DRAFT = "draft"
    #: `course check` found an error in it; a learner who arrives at it waits.
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class LessonRef:
    """One lesson as the post office sees it. `position` counts from 1, in the order of sending."""

    key: str
    position: int
    readiness: Readiness = Readiness.PUBLISHED
    #: Former keys of this lesson: a delivery under one of them counts as this lesson.
    aliases: tuple[str, ...] = ()
    #: There is a short version to send to whoever has not found the time.
    has_short: bool = False


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A letter owed a number of days after completion, at the learner's hour."""

    key: str
    after_days: int


#: Monday is 0, as in `datetime.date.weekday`.
EVERY_DAY: frozenset[int] = frozenset(range(7))
WEEKDAYS: frozenset[int] = frozenset(range(5))


@dataclass(frozen=True, slots=True)
class Cadence:
    """When lessons fall: local hour, allowed weekdays, days between lessons."""

    #: Local wall-clock time of day.
    hour: time = time(7, 0)
    #: Allowed weekdays, Monday is 0; never empty.
    weekdays: frozenset[int] = EVERY_DAY
    #: Days from one lesson to the next, 1 = daily.
    every_days: int = 1


@dataclass(frozen=True, slots=True)
class Syllabus:
    """Lesson keys in order plus a cadence."""

    course: str
    lessons: tuple[LessonRef, ...]
    cadence: Cadence = field(default_factory=Cadence)
    #: Zone for people whose own is unknown.
    timezone: str = "UTC"
    #: True: lesson 1 leaves right after confirmation; False: on the next slot.
    first_lesson_at_once: bool = True
    has_welcome: bool = True
    has_completed: bool = True
    follow_ups: tuple[FollowUp, ...] = ()
    #: May a learner who has gone quiet be written to, with the short version of a lesson?
    nudges: bool = True
    #: None: as the installation has it.
    uncertain: Policy | None = None
