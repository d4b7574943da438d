"""What every clerk of the enrolling desk needs: lookups with locks, slots, new rows.

Holds no public promise of its own; see `asking`, `joining`, `pacing`, `easing`, `rounds`,
`ticking`, `noting`, `naming`, `moving`, `leaving` and `reminding`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from scheduler import resuming
from scheduler.clock import Clock
from scheduler.domain.delivery import DeliveryKind
from scheduler.domain.enrollment import Enrollment
from scheduler.domain.learner import Learner
from scheduler.domain.syllabus import Cadence, LessonRef, Syllabus
from scheduler.errors import NotAllowed
from scheduler.rules import due, letters, progress
from scheduler.rules.suppression import address_hash
from scheduler.store import Database, Tx, ledger, people
from scheduler.store.ledger import NewDelivery

#: A postponed row waits here until it is resumed; no calendar reaches it.
FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
#: Why nothing is sent to the address of somebody who had everything about them erased.
ERASED = "erased"


@dataclass(frozen=True, slots=True)
class EnrollingSettings:
    """Limits on what a signup form can make us send."""

    #: Two confirmation mails to one address are at least this far apart.
    confirm_every: timedelta = timedelta(minutes=10)
    #: Confirmation mails to one address in 24 hours.
    confirms_per_day: int = 3
    #: "You are already enrolled, here are your links", at most once in this time.
    links_every: timedelta = timedelta(hours=1)
    min_gap: timedelta = due.MIN_GAP
    #: Providers that keep copies of mail, and can be asked to erase them.
    remembering: frozenset[str] = frozenset()


class Desk:
    """The parts a clerk works with, and the steps they share."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        syllabi: Callable[[str], Syllabus | None],
        *,
        salt: str,
        wake: Callable[[], None] = lambda: None,
        settings: EnrollingSettings | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._syllabi = syllabi
        self._salt = salt
        self.wake = wake
        self._settings = settings or EnrollingSettings()

    def _restart_clock(self, tx: Tx, run: Enrollment, now: datetime) -> Enrollment:
        """Give an active run its next slot, or move the lesson it is already owed there."""
        [going] = resuming.set_going(tx, [run], now, self._settings.min_gap)
        return going

    def _next_slot(self, run: Enrollment, now: datetime) -> datetime:
        return resuming.next_slot(run, now, self._settings.min_gap)

    def _next_lesson(self, tx: Tx, run: Enrollment) -> progress.NextLesson:
        keys = ledger.lesson_keys(tx, [run]).get(run.id, set())
        return progress.next_lesson(self._syllabus(run.course), keys)

    def _owe_letter(
        self,
        tx: Tx,
        run: Enrollment,
        learner: Learner,
        letter: str,
        now: datetime,
        *,
        every: timedelta = timedelta(),
        per_day: int | None = None,
    ) -> bool:
        """Owe one more copy of a repeatable letter, within its limits; False beyond them."""
        before = [
            d.created_at
            for d in ledger.deliveries_of(tx, run.id)
            if d.round == run.round and (d.key == letter or d.key.startswith(f"{letter}-"))
        ]
        if not letters.may_owe(before, before, now, every=every, per_day=per_day):
            return False
        key = letters.copy_key(letter, len(before))
        ledger.owe(tx, [new_letter(run, learner, key, now)], now)
        return True

    def _give_way(self, tx: Tx, run: Enrollment, now: datetime) -> None:
        """Withdraw the follow-ups that earlier rounds still owe: this one ends with its own."""
        for earlier in people.enrollments_of(tx, run.learner_id):
            if earlier.course == run.course and earlier.round < run.round:
                ledger.cancel_open(
                    tx,
                    earlier.id,
                    now=now,
                    verdict="a new round began",
                    kinds=[DeliveryKind.LETTER],
                    after=now,
                )

    def _locked(self, tx: Tx, enrollment_id: int) -> Enrollment:
        run = people.enrollment(tx, enrollment_id, lock=True)
        if run is None:
            raise NotAllowed(
                f"there is no enrollment {enrollment_id}: it may have been erased; sign up again"
            )
        return run

    def _lock_all(self, tx: Tx, learner_id: int) -> list[Enrollment]:
        """All runs of a person, locked in one order: whoever plans for them finishes first."""
        ids = [run.id for run in people.enrollments_of(tx, learner_id)]
        return list(people.enrollments(tx, ids, lock=True).values())

    def _learner(self, tx: Tx, run: Enrollment) -> Learner:
        learner = people.learner(tx, run.learner_id)
        if learner is None:  # pragma: no cover - the foreign key forbids it
            raise NotAllowed(f"enrollment {run.id} has no learner: run `course doctor`")
        return learner

    def _syllabus(self, course: str) -> Syllabus:
        syllabus = self._syllabi(course)
        if syllabus is None:
            raise NotAllowed(f"there is no course {course!r}: `course check` lists the courses")
        return syllabus

    def _names(self, run: Enrollment, lesson_key: str) -> tuple[str, ...]:
        """The lesson's present key and its old ones; a lesson that is gone has only this one."""
        syllabus = self._syllabi(run.course)
        for ref in syllabus.lessons if syllabus else ():
            if lesson_key == ref.key or lesson_key in ref.aliases:
                return (ref.key, *ref.aliases)
        return (lesson_key,)

    def _hash(self, address: str) -> str:
        return address_hash(self._salt, people.address_key(address))

    def _suppressed(self, tx: Tx, address: str) -> bool:
        return bool(people.suppressed(tx, [self._hash(address)]))


def with_pace(base: Cadence, hour: time | None, weekdays: frozenset[int] | None) -> Cadence:
    """The cadence with what was given in place of what was not."""
    return replace(
        base,
        hour=base.hour if hour is None else hour,
        weekdays=weekdays or base.weekdays,
    )


def new_letter(run: Enrollment, learner: Learner, key: str, now: datetime) -> NewDelivery:
    """A letter owed now."""
    return NewDelivery(
        enrollment_id=run.id,
        round=run.round,
        kind=DeliveryKind.LETTER,
        key=key,
        to_addr=learner.address,
        not_before=now,
    )


def new_lesson(run: Enrollment, learner: Learner, lesson: LessonRef, now: datetime) -> NewDelivery:
    """A lesson owed now."""
    return NewDelivery(
        enrollment_id=run.id,
        round=run.round,
        kind=DeliveryKind.LESSON,
        key=lesson.key,
        to_addr=learner.address,
        not_before=now,
        position=lesson.position,
    )
