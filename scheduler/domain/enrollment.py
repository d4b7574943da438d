"""One person's run through one course."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scheduler.domain.syllabus import Cadence


class EnrollmentState(StrEnum):
    """Where a run stands. Each member carries its meaning in the line above it."""

    #: Signed up, address not confirmed yet; gets nothing but the confirmation.
    PENDING = "pending"
    #: Lessons go out.
    ACTIVE = "active"
    #: Held, by the learner, by staff or after repeated failures; resumes where it stopped.
    PAUSED = "paused"
    #: The last lesson has been handed over; stays completed whatever is appended later.
    COMPLETED = "completed"
    #: Ended before completion; always carries a `StopReason`.
    STOPPED = "stopped"


class StopReason(StrEnum):
    """Why a run was stopped. Each member carries its meaning in the line above it."""

    #: The learner left the course.
    LEFT = "left"
    #: The address permanently refuses mail.
    BOUNCED = "bounced"
    #: The learner reported the mail as spam.
    COMPLAINED = "complained"
    #: Staff ended it.
    REMOVED = "removed"
    #: The signup was never confirmed.
    EXPIRED = "expired"
    #: A later round took its place.
    RESTARTED = "restarted"


class EnrollmentEvent(StrEnum):
    """What can happen to a run; `rules.progress.TRANSITIONS` says what each does."""

    #: The address was confirmed (or consent came with an import).
    CONFIRMED = "confirmed"
    #: The learner or staff asked for a break, or deliveries failed for good.
    PAUSED = "paused"
    #: The break ended.
    RESUMED = "resumed"
    #: The last lesson of the syllabus was handed over.
    FINISHED = "finished"
    #: The learner withdrew.
    LEFT = "left"
    #: Undo of leaving.
    REJOINED = "rejoined"
    #: The address permanently bounced.
    BOUNCED = "bounced"
    #: The learner complained to their mailbox provider.
    COMPLAINED = "complained"
    #: Staff ended the run.
    REMOVED = "removed"
    #: Nobody confirmed in time.
    EXPIRED = "expired"
    #: The same person signed up again after the run was stopped.
    SIGNED_UP = "signed_up"
    #: A new round was begun while this one was open.
    RESTARTED = "restarted"
    #: Lessons were appended, and staff lets this completed run go on with them.
    REOPENED = "reopened"


#: Why a run is paused after a lesson could not be delivered; sending it again ends the pause.
DELIVERY_FAILED = "delivery failed"

#: Why a run is paused whose mails were all taken, and sent back day after day.
COMING_BACK = "the mailbox keeps sending mail back"

#: States in which at most one run per learner and course may be.
OPEN_STATES = frozenset({EnrollmentState.PENDING, EnrollmentState.ACTIVE, EnrollmentState.PAUSED})


@dataclass(frozen=True, slots=True)
class Enrollment:
    """One run. All `_at` are aware UTC."""

    id: int
    learner_id: int
    course: str
    #: Counted from 1; restarting begins a new round and keeps the old one.
    round: int
    state: EnrollmentState
    #: Set when stopped (a `StopReason`), or why it is paused; else empty.
    reason: str
    #: IANA name.
    timezone: str
    cadence: Cadence
    created_at: datetime
    confirmed_at: datetime | None = None
    completed_at: datetime | None = None
    #: When the last lesson of any round of this course was handed over (pacing).
    last_sent_at: datetime | None = None
    #: When the next lesson falls; None when none is owed or one is already open.
    next_due_at: datetime | None = None
    #: When a pause ends by itself; None = until resumed. Kept by who leaves during a pause.
    paused_until: datetime | None = None
