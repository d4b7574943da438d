"""More time, the last lesson once more, no more nudges: what makes a full week easier."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta

from scheduler.domain.delivery import (
    Delivery,
    DeliveryKind,
    DeliveryState,
    nudge_of,
    original_key,
)
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Consent
from scheduler.enrolling.desk import Desk, new_letter
from scheduler.errors import NotAllowed
from scheduler.rules import due
from scheduler.store import Tx, ledger, nudges, people
from scheduler.zones import zone

#: A lesson may be held back up to here; whoever needs longer takes a break.
HELD_AT_MOST = timedelta(days=14)
#: The last lesson comes once more at most this often.
AGAIN_EVERY, AGAIN_PER_DAY = timedelta(hours=1), 3

_HAD = (DeliveryState.SENDING, DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN)


class Easing(Desk):
    """What a learner may ask for without leaving the course's pace. Pressed twice, it happens
    once."""

    def hold_back(
        self, enrollment_id: int, days: int, consent: Consent, *, planned_at: datetime
    ) -> Enrollment:
        """Let the next lesson come that many days later, at the first slot from then on.

        `planned_at` is when it was to come as its reader saw it: with any other instant
        nothing happens. Raises `NotAllowed` when it is on its way, or held back for long.
        """
        now = self._clock.now()
        with self._db.write("hold back") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state is not EnrollmentState.ACTIVE:
                raise NotAllowed(f"this enrollment is {run.state}: resume or confirm it first")
            owed = ledger.open_lessons(tx, [run.id])[run.id]
            at = owed[0].not_before if owed else run.next_due_at
            if at != planned_at:
                return run
            is_leaving = owed and owed[0].state is not DeliveryState.DUE
            if at is None or at <= now or is_leaving:
                raise NotAllowed("the next lesson is on its way already")
            slot = later_slot(run, at, days)
            if slot - now > HELD_AT_MOST:
                raise NotAllowed("a lesson cannot wait that long: pause the course instead")
            if owed:
                ledger.postpone_open(tx, run.id, not_before=slot)
            else:
                run = replace(run, next_due_at=slot)
                people.save_enrollment(tx, run)
            people.add_consent(tx, run.learner_id, run.id, consent)
        return run

    def again(self, enrollment_id: int, consent: Consent) -> str:
        """Send the latest lesson of this round once more; returns its key.

        Within an hour of the last copy nothing is added. Raises `NotAllowed` when there is no
        such lesson, the run has ended, or three copies went out in a day.
        """
        now = self._clock.now()
        with self._db.write("again") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state in (EnrollmentState.STOPPED, EnrollmentState.PENDING):
                raise NotAllowed(f"this enrollment is {run.state}: nothing may be sent to it")
            rows = [d for d in ledger.deliveries_of(tx, run.id) if d.round == run.round]
            lesson = latest_lesson(rows)
            if lesson is None:
                raise NotAllowed("no lesson was sent yet")
            about = [d for d in rows if original_key(d.key) == lesson.key and not nudge_of(d.key)]
            copies = [d for d in about if d.key != lesson.key]
            if any(now - copy.created_at < AGAIN_EVERY for copy in copies):
                return lesson.key
            today = [c for c in copies if now - c.created_at < timedelta(days=1)]
            if len(today) >= AGAIN_PER_DAY:
                raise NotAllowed("it was sent again three times today: look among spam")
            self._owe_copy(tx, run, f"@again-{len(copies) + 1}:{lesson.key}", now)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return lesson.key

    def want_nudges(self, enrollment_id: int, wanted: bool, consent: Consent) -> None:
        """Write to this learner after days of silence, or never. Those on their way stay away."""
        with self._db.write("want nudges") as tx:
            run = self._locked(tx, enrollment_id)
            if nudges.wanted(tx, run.id) == wanted:
                return
            nudges.want(tx, run.id, wanted)
            people.add_consent(tx, run.learner_id, run.id, consent)

    def _owe_copy(self, tx: Tx, run: Enrollment, key: str, now: datetime) -> None:
        ledger.owe(tx, [new_letter(run, self._learner(tx, run), key, now)], now)


def later_slot(run: Enrollment, at: datetime, days: int) -> datetime:
    """The first slot from that many local days after `at` on; UTC."""
    tz = zone(run.timezone)
    day = at.astimezone(tz).date() + timedelta(days=days)
    return due.next_slot(
        run.cadence,
        run.timezone,
        after=due.at_wall_time(day, time(), tz),
        last_sent_at=run.last_sent_at,
    )


def latest_lesson(rows: list[Delivery]) -> Delivery | None:
    """The lesson that left last among the deliveries of one round."""
    sent = [d for d in rows if d.kind is DeliveryKind.LESSON and d.state in _HAD]
    return max(sent, key=lambda d: d.sending_at or d.created_at, default=None)
