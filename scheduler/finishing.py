"""What finishing a course brings: the state, the completed letter, the follow-ups.

Pure: says what is owed and leaves the writing to whoever noticed the end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scheduler.domain.delivery import COMPLETED, DeliveryKind
from scheduler.domain.enrollment import Enrollment, EnrollmentEvent
from scheduler.domain.syllabus import Syllabus
from scheduler.rules import due, progress
from scheduler.store.ledger import NewDelivery
from scheduler.zones import zone


def finished(run: Enrollment, at: datetime) -> Enrollment:
    """The run once its last lesson has been handed over."""
    return progress.apply(run, EnrollmentEvent.FINISHED, at)


def owed_at_finish(
    run: Enrollment, address: str, syllabus: Syllabus, now: datetime
) -> list[NewDelivery]:
    """The completed letter, now, and each follow-up at the learner's hour on its own day.

    A follow-up whose day is none of the learner's days comes on the next one that is. Owing
    twice is harmless: letters are unique per round. A follow-up whose day has passed (a
    rejoin after months) is left out.
    """
    ended_at = run.completed_at or now
    letters = []
    if syllabus.has_completed:
        letters.append(_letter(run, address, COMPLETED, now))
    tz = zone(run.timezone)
    ended_on = ended_at.astimezone(tz).date()
    for follow_up in syllabus.follow_ups:
        day = ended_on + timedelta(days=follow_up.after_days)
        while day.weekday() not in run.cadence.weekdays:
            day += timedelta(days=1)
        at = due.at_wall_time(day, run.cadence.hour, tz)
        if at >= now:
            letters.append(_letter(run, address, follow_up.key, at))
    return letters


def _letter(run: Enrollment, address: str, key: str, not_before: datetime) -> NewDelivery:
    return NewDelivery(
        enrollment_id=run.id,
        round=run.round,
        kind=DeliveryKind.LETTER,
        key=key,
        to_addr=address,
        not_before=not_before,
    )
