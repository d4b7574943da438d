"""Where a learner stands in a course: what was sent, what comes next, and when.

Reads only. The pages for learners say it in words; the sums are made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from course.catalog import Course
from course.lesson import Lesson
from course.links import Purpose
from course.web import words
from course.web.desk import Desk
from course.web.speaking import gettext
from scheduler.domain.delivery import Delivery, DeliveryKind, DeliveryState
from scheduler.domain.enrollment import Enrollment, EnrollmentState, StopReason
from scheduler.domain.learner import Learner
from scheduler.domain.syllabus import LessonRef
from scheduler.rules import due, progress
from scheduler.store import Tx, ledger, people, ticks
from scheduler.store.ticks import ACTION, Tick

#: States in which a lesson has left the house, as far as its reader is concerned.
SENT = frozenset({DeliveryState.SENDING, DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN})


@dataclass(frozen=True, slots=True)
class Day:
    """One lesson as the learner's own page shows it."""

    number: int
    title: str
    #: The delivery that brought it; empty when it has not been sent.
    delivery_id: str
    #: When it was sent, or when it will be; None when nobody can say.
    at: datetime | None
    sent: bool
    skipped: bool
    #: The learner said "I did it".
    done: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """One learner in one course, at one instant."""

    run: Enrollment
    learner: Learner
    course: Course | None
    deliveries: tuple[Delivery, ...]
    ticks: tuple[Tick, ...]
    now: datetime

    @property
    def title(self) -> str:
        """The course's title, also when its folder is gone."""
        return self.course.title if self.course else self.run.course

    @property
    def address(self) -> str:
        """Partly hidden: mails get forwarded."""
        return words.masked(self.learner.address)

    @property
    def lessons(self) -> tuple[LessonRef, ...]:
        """The syllabus, in order; empty when the course is gone."""
        return self.course.syllabus.lessons if self.course else ()

    @property
    def owed(self) -> Delivery | None:
        """A lesson that is already owed and has not left yet."""
        waiting = (DeliveryState.DUE, DeliveryState.CLAIMED, DeliveryState.WAITING)
        rows = [d for d in self._lesson_rows() if d.state in waiting]
        return rows[0] if rows else None

    @property
    def next_lesson(self) -> LessonRef | None:
        """The lesson that comes next, sent to nobody yet in this round."""
        if self.course is None:
            return None
        if self.owed is not None:
            return self._ref(self.owed.key)
        handed = {d.key for d in self._lesson_rows()}
        choice = progress.next_lesson(self.course.syllabus, handed)
        return None if isinstance(choice, progress.Finished) else choice.lesson

    @property
    def next_at(self) -> datetime | None:
        """When it comes, UTC; None while paused, finished or not confirmed."""
        if self.run.state is not EnrollmentState.ACTIVE:
            return None
        return self.owed.not_before if self.owed else self.run.next_due_at

    @property
    def done_count(self) -> int:
        """Lessons of the course whose action the learner has done in this round."""
        return sum(1 for ref in self.lessons if self.is_done(ref.key))

    @property
    def steps(self) -> int:
        """What there is to do in this round: signing up, and each lesson not passed over."""
        return 1 + sum(1 for day in self.days() if day.done or not day.skipped)

    @property
    def steps_done(self) -> int:
        """Signing up is the first step, and these pages show only to whoever has taken it."""
        return 1 + self.done_count

    @property
    def finished(self) -> bool:
        """Every lesson has left, and the learner did what each one sent asked for.

        A lesson that was passed over asks for nothing.
        """
        days = self.days()
        asked = [day for day in days if not day.skipped]
        return self.run.state is EnrollmentState.COMPLETED and all(day.done for day in asked)

    def is_done(self, key: str) -> bool:
        """Has the learner said "I did it" of this lesson? Old names count."""
        names = self.names(key)
        return any(tick.item == ACTION and tick.lesson_key in names for tick in self.ticks)

    def names(self, key: str) -> tuple[str, ...]:
        """The lesson's present key and its old ones; one that is gone has only this one."""
        ref = self._ref(key)
        return (ref.key, *ref.aliases) if ref else (key,)

    def after_next(self) -> datetime | None:
        """When the lesson after the next one comes, if all goes as planned."""
        first = self.next_at
        return None if first is None else self._slot_after(max(first, self.now))

    def days(self) -> list[Day]:
        """Every lesson of the course, with its date as far as one can tell."""
        rows = {d.key: d for d in self._lesson_rows()}
        upcoming, at = self.next_lesson, self.next_at
        days = []
        for ref in self.lessons:
            row = next((rows[key] for key in (ref.key, *ref.aliases) if key in rows), None)
            sent = row is not None and row.state in SENT
            skipped = row is not None and row.state is DeliveryState.SKIPPED
            when = (row.sending_at or row.settled_at) if row and sent else None
            if not sent and upcoming is not None and ref.position >= upcoming.position:
                when, at = at, None if at is None else self._slot_after(max(at, self.now))
            days.append(
                Day(
                    number=ref.position,
                    title=self.lesson_title(ref.key),
                    delivery_id=row.id if row and sent else "",
                    at=when,
                    sent=sent,
                    skipped=skipped,
                    done=self.is_done(ref.key),
                )
            )
        return days

    def gone(self) -> list[Day]:
        """Lessons that were sent and have left the course since; their number is 0."""
        return [
            Day(
                number=0,
                title=self.lesson_title(row.key),
                delivery_id=row.id,
                at=row.sending_at or row.settled_at,
                sent=True,
                skipped=False,
                done=self.is_done(row.key),
            )
            for row in self._lesson_rows()
            if row.state in SENT and self._ref(row.key) is None
        ]

    def lesson(self, key: str) -> Lesson | None:
        """The lesson of that key, old names included."""
        ref = self._ref(key)
        return self.course.lessons.get(ref.key) if self.course and ref else None

    def lesson_title(self, key: str) -> str:
        """Its title; a lesson that is being repaired has a readable key."""
        lesson = self.course.lessons.get(key) if self.course else None
        return lesson.title if lesson else key.replace("-", " ").capitalize()

    def _lesson_rows(self) -> list[Delivery]:
        return [
            d
            for d in self.deliveries
            if d.kind is DeliveryKind.LESSON
            and d.round == self.run.round
            and d.state is not DeliveryState.CANCELLED
        ]

    def _ref(self, key: str) -> LessonRef | None:
        return next((r for r in self.lessons if key == r.key or key in r.aliases), None)

    def _slot_after(self, sent_at: datetime) -> datetime:
        run = self.run
        return due.next_slot(
            run.cadence,
            run.timezone,
            after=sent_at + timedelta(seconds=1),
            last_sent_at=sent_at,
        )


#: Pages of a course that is under way: a signup nobody has confirmed shows nothing on them.
_BEGUN = (Purpose.LEARN, Purpose.MANAGE)


def opened(desk: Desk, purpose: Purpose, token: str) -> Standing | None:
    """Whose link this is, in that person's newest round of the course.

    An old mail's link keeps working after a restart. The learner's own pages show the newest
    round that was ever confirmed. None when the link is forged, cut off, or its owner was
    erased. Whether it has expired is for the caller to ask.
    """
    found = desk.school.links.open(purpose, token)
    if found is None:
        return None
    with desk.school.db.read() as tx:
        run = people.enrollment(tx, int(found.subject))
        if run is None:
            return None
        if purpose in _BEGUN:
            return standing_of(desk, tx, newest_begun(tx, run))
        newest = people.latest_enrollment(tx, run.learner_id, run.course) or run
        return standing_of(desk, tx, newest)


def newest_begun(tx: Tx, run: Enrollment) -> Enrollment:
    """The newest round of this run's course that was ever confirmed; else the run itself."""
    runs = people.enrollments_of(tx, run.learner_id)
    begun = [each for each in runs if each.course == run.course and each.confirmed_at is not None]
    return max(begun, key=lambda each: each.round, default=run)


def standing_of(desk: Desk, tx: Tx, run: Enrollment) -> Standing | None:
    """Where this run stands; None when its learner was erased."""
    learner = people.learner(tx, run.learner_id)
    if learner is None:
        return None
    course = desk.school.catalog.course(run.course)
    desk.pages.speak_to(learner, course)
    return Standing(
        run=run,
        learner=learner,
        course=course,
        deliveries=tuple(ledger.deliveries_of(tx, run.id)),
        ticks=tuple(ticks.ticks_of(tx, run.id)),
        now=desk.school.clock.now(),
    )


def outlook(standing: Standing) -> str:
    """What happens next, in one sentence, with the date in the learner's own zone."""
    run, now = standing.run, standing.now
    match run.state:
        case EnrollmentState.PENDING:
            return gettext("Not confirmed yet: press the button in the mail we sent you.")
        case EnrollmentState.COMPLETED if standing.finished:
            return gettext("You have finished this course. Your lessons stay here.")
        case EnrollmentState.COMPLETED:
            return gettext(
                "You have had every lesson, and they stay here. The course is finished once you"
                " have done what each one asks: in any order, and there is no rush."
            )
        case EnrollmentState.STOPPED if run.reason == StopReason.BOUNCED:
            return gettext(
                "Mail to your address came back for good, so nothing more is sent to it."
            )
        case EnrollmentState.STOPPED:
            return gettext("You have left this course. Nothing more will come.")
        case EnrollmentState.PAUSED:
            return _paused(standing)
    ref, at = standing.next_lesson, standing.next_at
    if ref is None:
        return gettext("That was the last lesson. A closing note is on its way.")
    if at is None:
        return gettext(
            "Lesson %(number)s is still being written. It comes as soon as it is ready.",
            number=ref.position,
        )
    if at <= now:
        return gettext("Lesson %(number)s is on its way.", number=ref.position)
    return gettext(
        "Lesson %(number)s comes %(when)s (%(zone)s).",
        number=ref.position,
        when=words.in_words(at, run.timezone, now),
        zone=words.zone_in_words(run.timezone),
    )


def _paused(standing: Standing) -> str:
    run, ref = standing.run, standing.next_lesson
    if run.paused_until is None:
        waits = gettext("Lesson %(number)s waits for you.", number=ref.position) if ref else ""
        said = [gettext("Paused until you resume."), waits]
    else:
        day = words.day_in_words(run.paused_until, run.timezone, standing.now)
        said = [gettext("Paused. It goes on %(day)s.", day=day), gettext("Nothing is lost.")]
    return " ".join(filter(None, said))
