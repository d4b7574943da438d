"""When may a learner who has gone quiet be written to, once, and kindly?

Two days with no lesson and no sign of the learner, then at the learner's own hour. Refuses to
know the present: every function is given the instants it needs, aware and UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.rules import due
from scheduler.zones import zone

#: A nudge and the mail before it are two days apart on the wall clock, less the hour that a
#: busy morning may take: else seconds would make three days of it.
WAIT = timedelta(hours=47)
#: Nobody's wait is over sooner than this, wherever clocks change.
SHORTEST_WAIT = timedelta(hours=46)
#: A visit counts for the whole of two days.
VISIT_COUNTS = timedelta(hours=48)
#: In one round, whatever happens.
MOST = 2
#: A week later the lesson is no longer what the learner has in mind.
TOO_LATE = timedelta(days=7)
#: The hour for people who chose one in the night: they asked for lessons then, not for this.
_BY_DAY = time(12, 0)

#: In any other state somebody has decided that nothing comes.
_REACHABLE = (EnrollmentState.ACTIVE, EnrollmentState.COMPLETED)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A learner whose latest lesson of this round is neither done nor followed by a visit."""

    run: Enrollment
    #: When that lesson was handed over.
    lesson_sent_at: datetime
    #: Before that lesson, as there was none since; None when there never was one.
    visited_at: datetime | None = None
    #: When each nudge of this round was owed for.
    nudges: tuple[datetime, ...] = ()
    #: When any other mail of this round was sent, or falls.
    mails: tuple[datetime, ...] = ()


def nudge_at(quiet: Quiet, now: datetime) -> datetime | None:
    """The slot (UTC) of the nudge; None when there is none to be sent.

    It may have passed a little while ago, for whoever looks once a morning.

    It falls on the first local date from two days after the lesson that has no mail of the
    course, and before the date of the next lesson.
    """
    run = quiet.run
    if run.state not in _REACHABLE or len(quiet.nudges) >= MOST:
        return None
    if run.state is EnrollmentState.ACTIVE and run.next_due_at is None:
        return None  # the next lesson is about to be owed, or is on its way
    tz = zone(run.timezone)
    taken = {mail.astimezone(tz).date() for mail in quiet.mails}
    lesson_on = run.next_due_at.astimezone(tz).date() if run.next_due_at else None
    earliest = max(_earliest(quiet), now - due.LATE_AFTER)
    day = earliest.astimezone(tz).date()
    while True:
        slot = due.at_wall_time(day, _hour(run), tz)
        falls_on = slot.astimezone(tz).date()
        if lesson_on is not None and falls_on >= lesson_on:
            return None
        if slot - quiet.lesson_sent_at > TOO_LATE:
            return None
        if slot >= earliest and falls_on not in taken:
            return slot
        day += timedelta(days=1)


def is_timely(quiet: Quiet, slot: datetime, now: datetime) -> bool:
    """May a nudge owed for `slot` be handed over now, after whatever has held it back?"""
    local = now.astimezone(zone(quiet.run.timezone))
    if now - slot > due.LATE_AFTER or not due.QUIET_ENDS <= local.time() < due.QUIET_BEGINS:
        return False
    return now >= _earliest(quiet) and not _has_mail(quiet, local.date())


def _has_mail(quiet: Quiet, today: date) -> bool:
    tz = zone(quiet.run.timezone)
    lesson = (quiet.run.next_due_at,) if quiet.run.next_due_at else ()
    return any(mail.astimezone(tz).date() == today for mail in (*quiet.mails, *lesson))


def _earliest(quiet: Quiet) -> datetime:
    tz = zone(quiet.run.timezone)
    walls = [at.astimezone(tz) + WAIT for at in (quiet.lesson_sent_at, *quiet.nudges)]
    after = [wall.astimezone(UTC) for wall in walls]
    if quiet.visited_at is not None:
        after.append(quiet.visited_at + VISIT_COUNTS)
    return max(after)


def _hour(run: Enrollment) -> time:
    hour = run.cadence.hour
    return hour if due.QUIET_ENDS <= hour < due.QUIET_BEGINS else _BY_DAY
