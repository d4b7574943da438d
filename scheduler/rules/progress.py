"""What does an event do to an enrollment, and which lesson comes next?

Progress is the set of lesson keys handed over, never an index, so inserting,
removing and reordering lessons cannot lose anybody's place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from scheduler.domain.enrollment import Enrollment, EnrollmentEvent, EnrollmentState, StopReason
from scheduler.domain.syllabus import LessonRef, Readiness, Syllabus
from scheduler.errors import NotAllowed

_S, _E, _R = EnrollmentState, EnrollmentEvent, StopReason

#: (state, event) -> (new state, stop reason). A pair that is missing is not allowed.
TRANSITIONS: dict[tuple[EnrollmentState, EnrollmentEvent], tuple[EnrollmentState, str]] = {
    (_S.PENDING, _E.CONFIRMED): (_S.ACTIVE, ""),
    (_S.PENDING, _E.EXPIRED): (_S.STOPPED, _R.EXPIRED),
    (_S.ACTIVE, _E.PAUSED): (_S.PAUSED, ""),
    (_S.PAUSED, _E.RESUMED): (_S.ACTIVE, ""),
    (_S.ACTIVE, _E.FINISHED): (_S.COMPLETED, ""),
    (_S.PAUSED, _E.FINISHED): (_S.COMPLETED, ""),
    (_S.COMPLETED, _E.REOPENED): (_S.ACTIVE, ""),
    (_S.COMPLETED, _E.LEFT): (_S.STOPPED, _R.LEFT),
    (_S.COMPLETED, _E.BOUNCED): (_S.STOPPED, _R.BOUNCED),
    (_S.COMPLETED, _E.COMPLAINED): (_S.STOPPED, _R.COMPLAINED),
    (_S.STOPPED, _E.SIGNED_UP): (_S.PENDING, ""),
    **{
        (state, event): (_S.STOPPED, reason)
        for state in (_S.PENDING, _S.ACTIVE, _S.PAUSED)
        for event, reason in (
            (_E.LEFT, _R.LEFT),
            (_E.BOUNCED, _R.BOUNCED),
            (_E.COMPLAINED, _R.COMPLAINED),
            (_E.REMOVED, _R.REMOVED),
            (_E.RESTARTED, _R.RESTARTED),
        )
    },
}

#: Until when a run was paused that was to wait for its owner, while it is stopped.
_NO_END = datetime(9999, 1, 1, tzinfo=UTC)


def allowed(state: EnrollmentState, event: EnrollmentEvent) -> bool:
    """May this event happen in this state?"""
    return (state, event) in TRANSITIONS


def apply(enrollment: Enrollment, event: EnrollmentEvent, at: datetime) -> Enrollment:
    """The enrollment after the event. `next_due_at` is cleared: whoever resumes it sets it.

    Raises `NotAllowed`, naming the states in which the event may happen.
    """
    if event is _E.REJOINED:
        return _rejoin(enrollment, at)
    target = TRANSITIONS.get((enrollment.state, event))
    if target is None:
        raise NotAllowed(_refusal(enrollment.state, event))
    state, reason = target
    return replace(
        enrollment,
        state=state,
        reason=str(reason),
        next_due_at=None,
        paused_until=_paused_until(enrollment, event),
        confirmed_at=at if event is _E.CONFIRMED else enrollment.confirmed_at,
        completed_at=_completed_at(enrollment, event, at),
    )


def _completed_at(enrollment: Enrollment, event: EnrollmentEvent, at: datetime) -> datetime | None:
    if event is _E.FINISHED:
        return at
    # A run that goes on has no end to return to, should its owner leave and undo that.
    return None if event is _E.REOPENED else enrollment.completed_at


def _paused_until(enrollment: Enrollment, event: EnrollmentEvent) -> datetime | None:
    if (enrollment.state, event) != (_S.PAUSED, _E.LEFT):
        return None
    # Whoever leaves during a pause and takes that back is paused as before.
    return enrollment.paused_until or _NO_END


def _rejoin(enrollment: Enrollment, at: datetime) -> Enrollment:
    """Undo of leaving: back to where the learner was, as far as the facts say."""
    if (enrollment.state, enrollment.reason) != (_S.STOPPED, _R.LEFT):
        raise NotAllowed(
            f"this enrollment is {enrollment.state}; only leaving can be undone: sign up again"
        )
    state = _S.PENDING
    if enrollment.completed_at is not None:
        state = _S.COMPLETED
    elif enrollment.confirmed_at is not None:
        state = _S.ACTIVE
    until = enrollment.paused_until
    back = replace(enrollment, state=state, reason="", next_due_at=None, paused_until=None)
    if until is None or until <= at:
        return back
    return replace(back, state=_S.PAUSED, paused_until=None if until == _NO_END else until)


def _refusal(state: EnrollmentState, event: EnrollmentEvent) -> str:
    states = [str(s) for (s, e) in TRANSITIONS if e is event]
    return (
        f"this enrollment is {state}, and {event!s} needs one that is {' or '.join(states)}: "
        f"look at it with `course explain ADDRESS`"
    )


@dataclass(frozen=True, slots=True)
class Send:
    """This lesson is next."""

    lesson: LessonRef


@dataclass(frozen=True, slots=True)
class Hold:
    """The learner has arrived at a lesson that may not go out (draft or broken) and waits."""

    lesson: LessonRef


@dataclass(frozen=True, slots=True)
class Finished:
    """No lesson is left above the highest one handed over."""


NextLesson = Send | Hold | Finished


def next_lesson(syllabus: Syllabus, handed_over: Collection[str]) -> NextLesson:
    """The lowest-positioned lesson not handed over and above the highest that was.

    `handed_over` holds the lesson keys that have a delivery in this round. A
    lesson inserted below the learner's place is never sent by itself; one that
    was removed counts for nothing; a renamed one is known by its aliases.
    """
    keys = set(handed_over)
    done = [ref for ref in syllabus.lessons if ref.key in keys or keys.intersection(ref.aliases)]
    highest = max((ref.position for ref in done), default=0)
    ahead = [ref for ref in syllabus.lessons if ref.position > highest]
    if not ahead:
        return Finished()
    first = min(ahead, key=lambda ref: ref.position)
    return Send(first) if first.readiness is Readiness.PUBLISHED else Hold(first)


Choose = Callable[[Syllabus, frozenset[str]], NextLesson]


def choosing() -> Choose:
    """`next_lesson` for one batch of runs, worked out once for those with the same past."""
    known: dict[tuple[str, frozenset[str]], NextLesson] = {}

    def choose(syllabus: Syllabus, handed_over: frozenset[str]) -> NextLesson:
        past = (syllabus.course, handed_over)
        if past not in known:
            known[past] = next_lesson(syllabus, handed_over)
        return known[past]

    return choose
