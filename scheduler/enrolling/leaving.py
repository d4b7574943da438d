"""Leave, undo, remove, forget: how a run ends before its time."""

from __future__ import annotations

from datetime import datetime, timedelta

from scheduler.domain.delivery import (
    COMPLETED,
    CONFIRM,
    LINKS,
    OWN_ADDRESS,
    WELCOME,
    DeliveryKind,
    DeliveryState,
    nudge_of,
    original_key,
)
from scheduler.domain.enrollment import Enrollment, EnrollmentEvent, EnrollmentState
from scheduler.domain.learner import Consent, Learner
from scheduler.enrolling.desk import Desk
from scheduler.errors import NotAllowed
from scheduler.rules import progress
from scheduler.store import Tx, ledger, people
from scheduler.store.ledger import NewDelivery

_LEFT = EnrollmentEvent.LEFT
#: Letters that answer something typed before leaving: nobody waits for them any more.
_ANSWERS = frozenset({LINKS}) | OWN_ADDRESS
#: Letters that are never late.
_TIMELESS = frozenset({CONFIRM, WELCOME, COMPLETED})
#: Any other letter, a follow-up for one, has had its day after this.
_STALE_AFTER = timedelta(days=1)


class Leaving(Desk):
    """How a run ends before its time. Every method may be repeated without harm."""

    def leave(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """End the run at the learner's wish; nothing starts after this returns. Idempotent."""
        with self._db.write("leave") as tx:
            run = self._locked(tx, enrollment_id)
            return self._stop(tx, run, EnrollmentEvent.LEFT, consent)

    def leave_everything(self, learner_id: int, consent: Consent) -> None:
        """End every run of this person and suppress the address for good."""
        now = self._clock.now()
        with self._db.write("leave everything") as tx:
            learner = people.learner(tx, learner_id)
            if learner is None:
                return
            for run in people.enrollments_of(tx, learner_id):
                self._stop(tx, run, EnrollmentEvent.LEFT, consent)
            people.suppress(
                tx, self._hash(learner.address), reason="left", source=consent.source, now=now
            )

    def rejoin(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """Undo leaving: the run goes on where it stopped, at the next slot.

        Letters that leaving has withdrawn come after all, where they still mean something.
        """
        now = self._clock.now()
        with self._db.write("rejoin") as tx:
            run = self._locked(tx, enrollment_id)
            if run.state is not EnrollmentState.STOPPED:
                return run
            learner = self._learner(tx, run)
            if self._suppressed(tx, learner.address):
                raise NotAllowed("this address asked for no mail at all: sign up again instead")
            newest = people.latest_enrollment(tx, run.learner_id, run.course)
            if newest is not None and newest.id != run.id:
                raise NotAllowed("a later round of this course exists: use that one")
            run = progress.apply(run, EnrollmentEvent.REJOINED, now)
            if run.state is EnrollmentState.ACTIVE:
                run = self._restart_clock(tx, run, now)
            else:
                people.save_enrollment(tx, run)
            self._bring_back(tx, run, learner, now)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return run

    def _bring_back(self, tx: Tx, run: Enrollment, learner: Learner, now: datetime) -> None:
        """Owe anew what leaving has withdrawn, in every round that has not ended otherwise."""
        answered = _ANSWERS if run.state is EnrollmentState.PENDING else {*_ANSWERS, CONFIRM}
        letters = [
            NewDelivery(
                enrollment_id=letter.enrollment_id,
                round=letter.round,
                kind=DeliveryKind.LETTER,
                key=letter.key,
                to_addr=learner.address,
                not_before=max(letter.not_before, now),
            )
            for round_ in people.enrollments_of(tx, run.learner_id)
            if round_.course == run.course and round_.state is not EnrollmentState.STOPPED
            for letter in ledger.deliveries_of(tx, round_.id)
            if letter.kind is DeliveryKind.LETTER
            and (letter.state, letter.verdict) == (DeliveryState.CANCELLED, _verdict(_LEFT))
            and original_key(letter.key) not in answered
            and nudge_of(letter.key) is None
            and (original_key(letter.key) in _TIMELESS or now - letter.not_before < _STALE_AFTER)
        ]
        ledger.owe(tx, letters, now)

    def remove(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """Staff ends a run."""
        with self._db.write("remove") as tx:
            run = self._locked(tx, enrollment_id)
            return self._stop(tx, run, EnrollmentEvent.REMOVED, consent)

    def forget(self, learner_id: int) -> int:
        """Erase a person; returns the number of rows removed. Suppression outlives it."""
        with self._db.write("forget") as tx:
            return people.erase(tx, learner_id)

    def _stop(
        self, tx: Tx, run: Enrollment, event: EnrollmentEvent, consent: Consent
    ) -> Enrollment:
        if not progress.allowed(run.state, event):
            return run
        now = self._clock.now()
        run = progress.apply(run, event, now)
        people.save_enrollment(tx, run)
        for round_ in people.enrollments_of(tx, run.learner_id):
            # Earlier rounds may still owe a follow-up; leaving a course means all of it.
            if round_.course == run.course:
                ledger.cancel_open(tx, round_.id, now=now, verdict=_verdict(event))
        people.add_consent(tx, run.learner_id, run.id, consent)
        return run


def _verdict(event: EnrollmentEvent) -> str:
    return f"the enrollment was {event}"
