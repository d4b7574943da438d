"""Confirm, enroll many: how a run becomes active. How it is asked for is in `asking`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Literal

from scheduler import zones
from scheduler.domain.delivery import CONFIRM, WELCOME, DeliveryKind
from scheduler.domain.enrollment import (
    Enrollment,
    EnrollmentEvent,
    EnrollmentState,
    StopReason,
)
from scheduler.domain.learner import Consent
from scheduler.domain.syllabus import Cadence
from scheduler.enrolling.desk import Desk, new_letter, with_pace
from scheduler.rules import due, progress
from scheduler.store import Tx, ledger, people
from scheduler.store.ledger import NewDelivery


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The enrollment after confirming; `already` when it had been confirmed before."""

    enrollment: Enrollment
    already: bool


@dataclass(frozen=True, slots=True)
class NewPerson:
    """One row of an import or one address given by staff; None takes the course's own."""

    address: str
    first_name: str = ""
    timezone: str | None = None
    hour: time | None = None
    weekdays: frozenset[int] | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of one `NewPerson`."""

    address: str
    #: new: enrolled and active; pending: has to confirm first; known: has a run already.
    outcome: Literal["new", "pending", "known", "suppressed"]
    enrollment_id: int | None


class Joining(Desk):
    """How a run becomes active."""

    def confirm(self, enrollment_id: int, consent: Consent) -> Confirmed:
        """Make a pending run active; welcome and lesson 1 are owed. Harmless when repeated.

        A signup that was given up for want of an answer is taken up again. Raises `NotAllowed`
        for every other run that was stopped.
        """
        now = self._clock.now()
        with self._db.write("confirm") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state in (
                EnrollmentState.ACTIVE,
                EnrollmentState.PAUSED,
                EnrollmentState.COMPLETED,
            ):
                return Confirmed(run, already=True)
            if run.reason == StopReason.EXPIRED and self._is_newest(tx, run):
                # The mail promises its link for seven days, however soon signups are given up.
                run = progress.apply(run, EnrollmentEvent.SIGNED_UP, now)
            run = progress.apply(run, EnrollmentEvent.CONFIRMED, now)
            syllabus = self._syllabus(run.course)
            run = replace(
                run,
                next_due_at=due.first_lesson_at(
                    run.cadence,
                    run.timezone,
                    now=now,
                    at_once=syllabus.first_lesson_at_once,
                    last_sent_at=run.last_sent_at,
                    min_gap=self._settings.min_gap,
                ),
            )
            people.save_enrollment(tx, run)
            self._give_way(tx, run, now)
            people.add_consent(tx, run.learner_id, run.id, consent)
            learner = self._learner(tx, run)
            if syllabus.has_welcome and WELCOME not in ledger.letter_keys(tx, run.id, run.round):
                ledger.owe(tx, [new_letter(run, learner, WELCOME, now)], now)
        self.wake()
        return Confirmed(run, already=False)

    def _is_newest(self, tx: Tx, run: Enrollment) -> bool:
        newest = people.latest_enrollment(tx, run.learner_id, run.course)
        return newest is not None and newest.id == run.id

    def enroll(
        self,
        course: str,
        persons: Sequence[NewPerson],
        *,
        consent: Consent | None,
        welcome: bool = False,
    ) -> list[Enrolled]:
        """Enroll many at once (staff, imports), one answer per person in their order.

        With `consent` the runs are active and their first lesson falls on their next
        slot; without it they are pending and owed the confirmation mail. Nobody who
        has a run in this course, in whatever state, is enrolled again.
        """
        syllabus = self._syllabus(course)
        now = self._clock.now()
        state = EnrollmentState.PENDING if consent is None else EnrollmentState.ACTIVE
        slots = _SlotTable(now, self._settings.min_gap)
        with self._db.write("enroll") as tx:
            hashes = {p.address: self._hash(p.address) for p in persons}
            blocked = people.suppressed(tx, list(hashes.values()))
            welcome_ones = [p for p in persons if hashes[p.address] not in blocked]
            rows = []
            for person in welcome_ones:
                cadence = with_pace(syllabus.cadence, person.hour, person.weekdays)
                name = zones.canonical(person.timezone or "", syllabus.timezone)
                rows.append(
                    people.NewRun(
                        address=person.address,
                        first_name=person.first_name,
                        timezone=name,
                        language=person.language,
                        course=course,
                        state=state,
                        cadence=cadence,
                        next_due_at=None if consent is None else slots.next(cadence, name),
                        confirmed_at=None if consent is None else now,
                    )
                )
            added = people.add_many(tx, rows, now)
            fresh = [a for a in added if a.enrollment_id is not None]
            if consent is not None:
                people.add_consents(tx, [(a.learner_id, a.enrollment_id, consent) for a in fresh])
            letter = CONFIRM if consent is None else WELCOME
            if consent is None or (welcome and syllabus.has_welcome):
                ledger.owe(
                    tx,
                    [
                        NewDelivery(
                            enrollment_id=a.enrollment_id,
                            round=1,
                            kind=DeliveryKind.LETTER,
                            key=letter,
                            to_addr=a.address,
                            not_before=now,
                        )
                        for a in fresh
                        if a.enrollment_id is not None
                    ],
                    now,
                )
        self.wake()
        answers = iter(added)
        fresh_outcome: Literal["new", "pending"] = "pending" if consent is None else "new"
        result = []
        for person in persons:
            if hashes[person.address] in blocked:
                result.append(Enrolled(person.address, "suppressed", None))
                continue
            row = next(answers)
            if row.enrollment_id is None:
                result.append(Enrolled(person.address, "known", None))
            else:
                result.append(Enrolled(person.address, fresh_outcome, row.enrollment_id))
        return result


class _SlotTable:
    """Next slots for a batch, computed once per (zone, cadence) instead of once per row."""

    def __init__(self, now: datetime, min_gap: timedelta) -> None:
        self._now = now
        self._min_gap = min_gap
        self._known: dict[tuple[str, Cadence], datetime] = {}

    def next(self, cadence: Cadence, timezone: str) -> datetime:
        key = (timezone, cadence)
        if key not in self._known:
            self._known[key] = due.next_slot(
                cadence, timezone, after=self._now, min_gap=self._min_gap
            )
        return self._known[key]
