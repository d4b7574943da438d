"""Hour, days, zone, pause, resume, next now, skip, resend, requeue: a learner's pace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time

from scheduler import zones
from scheduler.domain.delivery import (
    CONFIRM,
    OWN_ADDRESS,
    Delivery,
    DeliveryKind,
    DeliveryState,
    original_key,
)
from scheduler.domain.enrollment import (
    DELIVERY_FAILED,
    Enrollment,
    EnrollmentEvent,
    EnrollmentState,
)
from scheduler.domain.learner import Consent
from scheduler.domain.syllabus import LessonRef
from scheduler.enrolling.desk import FAR_FUTURE, Desk, new_lesson, new_letter, with_pace
from scheduler.errors import NotAllowed
from scheduler.finishing import finished, owed_at_finish
from scheduler.rules import due, progress
from scheduler.store import Tx, ledger, moving, people


class Pacing(Desk):
    """What may be done to a run between its first lesson and its last."""

    def set_pace(
        self,
        enrollment_id: int,
        *,
        consent: Consent,
        timezone: str | None = None,
        hour: time | None = None,
        weekdays: frozenset[int] | None = None,
        every_days: int | None = None,
        first_name: str | None = None,
        language: str | None = None,
    ) -> Enrollment:
        """Change hour, days, zone, name or language.

        Where the pace has changed, the next slot is derived anew from now. An unknown zone
        keeps the old one. Never brings a second lesson on one local date.
        """
        now = self._clock.now()
        with self._db.write("set pace") as tx:
            before = self._locked(tx, enrollment_id)
            run = replace(
                before,
                timezone=zones.canonical(timezone or "", before.timezone),
                cadence=replace(
                    with_pace(before.cadence, hour, weekdays),
                    every_days=every_days or before.cadence.every_days,
                ),
            )
            if (run.timezone, run.cadence) == (before.timezone, before.cadence):
                pass  # a lesson that was held back stays where it is
            elif run.state is EnrollmentState.ACTIVE and run.next_due_at is not None:
                run = replace(run, next_due_at=self._next_slot(run, now))
            elif run.state is EnrollmentState.ACTIVE and self._waits_for_its_slot(tx, run, now):
                ledger.postpone_open(tx, run.id, not_before=self._next_slot(run, now))
            people.save_enrollment(tx, run)
            people.update_learner(tx, run.learner_id, first_name=first_name, language=language)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return run

    def _waits_for_its_slot(self, tx: Tx, run: Enrollment, now: datetime) -> bool:
        """Was a lesson owed before a break, and moved to a slot of the old pace?"""
        owed = ledger.open_lessons(tx, [run.id]).get(run.id, [])
        return any(
            delivery.state is DeliveryState.DUE and delivery.not_before > now for delivery in owed
        )

    def pause(
        self, enrollment_id: int, *, consent: Consent, until: datetime | None = None
    ) -> Enrollment:
        """Hold the run; what is owed waits. `until` (UTC) ends the break by itself."""
        now = self._clock.now()
        with self._db.write("pause") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state is EnrollmentState.PAUSED:
                run = replace(run, paused_until=until)
            else:
                run = progress.apply(run, EnrollmentEvent.PAUSED, now)
                run = replace(run, paused_until=until, reason=consent.action)
                ledger.postpone_open(tx, run.id, not_before=FAR_FUTURE)
            people.save_enrollment(tx, run)
            people.add_consent(tx, run.learner_id, run.id, consent)
        return run

    def resume(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """End a pause; the next lesson comes at the next slot, never in the night.

        A lesson that could not be delivered, and so began the pause, is the next one.
        """
        now = self._clock.now()
        with self._db.write("resume") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state is EnrollmentState.ACTIVE:
                return run
            failed = self._failed_lesson(tx, run) if run.reason == DELIVERY_FAILED else None
            run = progress.apply(run, EnrollmentEvent.RESUMED, now)
            if failed is not None and ledger.requeue(tx, failed, now):
                moving.redirect_open(tx, [run.id], self._learner(tx, run).address, now)
            run = self._restart_clock(tx, run, now)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return run

    def next_now(
        self, enrollment_id: int, consent: Consent, *, lesson: str | None = None
    ) -> Enrollment:
        """The learner asks for the next lesson at once: the one exception to the daily pace.

        With `lesson`, its key, nothing happens once that is no longer the next one: a button
        pressed twice brings one lesson.
        """
        now = self._clock.now()
        with self._db.write("next now") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state is not EnrollmentState.ACTIVE:
                raise NotAllowed(f"this enrollment is {run.state}: resume or confirm it first")
            learner = self._learner(tx, run)
            owed = ledger.open_lessons(tx, [run.id])[run.id]
            if lesson is not None and self._next_key(tx, run, owed) != lesson:
                return run
            if owed:
                ledger.postpone_open(tx, run.id, not_before=now)
            else:
                choice = self._next_lesson(tx, run)
                if not isinstance(choice, progress.Send):
                    raise NotAllowed("no further lesson is ready: look again tomorrow")
                ledger.owe(
                    tx,
                    [new_lesson(run, learner, choice.lesson, now)],
                    now,
                )
                run = replace(run, next_due_at=None)
                people.save_enrollment(tx, run)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return run

    def _next_key(self, tx: Tx, run: Enrollment, owed: Sequence[Delivery]) -> str:
        """The lesson that comes next; empty when there is none."""
        if owed:
            return owed[0].key
        choice = self._next_lesson(tx, run)
        return "" if isinstance(choice, progress.Finished) else choice.lesson.key

    def skip(self, enrollment_id: int, consent: Consent, *, lesson: str | None = None) -> str:
        """Pass over the next lesson; returns its key. The one after it keeps the slot.

        A lesson that is owed but has not left yet is the next one. With `lesson`, its key,
        nothing happens once that is no longer the next one: a button pressed twice skips one.
        """
        wanted = lesson
        now = self._clock.now()
        with self._db.write("skip") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state not in (EnrollmentState.ACTIVE, EnrollmentState.PAUSED):
                raise NotAllowed(f"this enrollment is {run.state}: only a running one can skip")
            learner = self._learner(tx, run)
            owed = ledger.open_lessons(tx, [run.id])[run.id]
            if wanted is not None and self._next_key(tx, run, owed) != wanted:
                return wanted
            ref = LessonRef(owed[0].key, 0) if owed else self._next_ref(tx, run)
            passed_over = ledger.add_skipped(
                tx, new_lesson(run, learner, ref, now), now, "passed over on request"
            )
            if passed_over is None:
                raise NotAllowed(f"{ref.key!r} is just being sent: try again in a minute")
            people.add_consent(tx, run.learner_id, run.id, consent)
            if isinstance(self._next_lesson(tx, run), progress.Finished):
                syllabus = self._syllabus(run.course)
                run = finished(run, now)
                people.save_enrollment(tx, run)
                ledger.owe(tx, owed_at_finish(run, learner.address, syllabus, now), now)
            elif owed and run.state is EnrollmentState.ACTIVE:
                self._restart_clock(tx, run, now)
        self.wake()
        return ref.key

    def _next_ref(self, tx: Tx, run: Enrollment) -> LessonRef:
        choice = self._next_lesson(tx, run)
        if isinstance(choice, progress.Finished):
            raise NotAllowed("there is no next lesson to skip")
        return choice.lesson

    def resend(self, enrollment_id: int, key: str) -> str:
        """Owe one more copy of a lesson or letter already sent; returns the delivery's id.

        Does not count as progress and does not move the next slot.
        """
        now = self._clock.now()
        with self._db.write("resend") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state is EnrollmentState.STOPPED:
                raise NotAllowed("this enrollment has ended: nothing may be sent to it")
            if run.state is EnrollmentState.PENDING and original_key(key) != CONFIRM:
                # Anybody may type an address into a form.
                raise NotAllowed("this signup is not confirmed: only `@confirm` may be sent again")
            if original_key(key) in OWN_ADDRESS:
                raise NotAllowed(f"{key!r} went to another address: the wish has to be made anew")
            rows = [d for d in ledger.deliveries_of(tx, run.id) if d.round == run.round]
            if key not in {d.key for d in rows}:
                sent = ", ".join(d.key for d in rows) or "nothing yet"
                raise NotAllowed(f"{key!r} was not sent in this round; sent so far: {sent}")
            again = sum(1 for d in rows if original_key(d.key) == key)
            learner = self._learner(tx, run)
            ids = ledger.owe(tx, [new_letter(run, learner, f"@again-{again}:{key}", now)], now)
        self.wake()
        return ids[0]

    def requeue(self, delivery_id: str) -> bool:
        """Owe a dead or refused mail anew; False when there is nothing to requeue.

        A run that was paused because of it goes on. A lesson keeps the pace: it waits for
        the next slot when another has left today. Raises `NotAllowed` where it would be
        withdrawn at once: the run was stopped, or a later round took its place.
        """
        now = self._clock.now()
        with self._db.write("requeue") as tx:
            found = ledger.delivery(tx, delivery_id)
            if found is None:
                return False
            run = self._locked(tx, found.enrollment_id)
            self._refuse_withdrawn(tx, run, found)
            if not ledger.requeue(tx, delivery_id, now):
                return False
            # It goes where the person is now, which may be why it is owed anew.
            moving.redirect_open(tx, [run.id], self._learner(tx, run).address, now)
            if run.state is EnrollmentState.PAUSED and run.reason == DELIVERY_FAILED:
                run = progress.apply(run, EnrollmentEvent.RESUMED, now)
            if found.kind is DeliveryKind.LESSON:
                run = replace(run, next_due_at=None)
                if not due.may_send(run.timezone, now=now, last_sent_at=run.last_sent_at):
                    ledger.postpone_open(tx, run.id, not_before=self._next_slot(run, now))
            people.save_enrollment(tx, run)
        self.wake()
        return True

    def _refuse_withdrawn(self, tx: Tx, run: Enrollment, owed: Delivery) -> None:
        if run.state is EnrollmentState.STOPPED and original_key(owed.key) not in OWN_ADDRESS:
            raise NotAllowed(f"this enrollment is stopped ({run.reason}): let them sign up again")
        newest = people.latest_enrollment(tx, run.learner_id, run.course)
        is_lesson = owed.kind is DeliveryKind.LESSON
        if is_lesson and newest is not None and newest.id != run.id:
            raise NotAllowed("a later round of this course exists: use `resend` there")

    def _failed_lesson(self, tx: Tx, run: Enrollment) -> str | None:
        """The latest lesson of this round, if it was given up or refused."""
        lessons = [
            d
            for d in ledger.deliveries_of(tx, run.id)
            if d.round == run.round and d.kind is DeliveryKind.LESSON
        ]
        if not lessons or lessons[-1].state not in (DeliveryState.DEAD, DeliveryState.REFUSED):
            return None
        return lessons[-1].id
