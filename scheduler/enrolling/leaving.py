"""Leave, undo, remove, erase: how a run ends before its time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

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
from scheduler.domain.enrollment import (
    Enrollment,
    EnrollmentEvent,
    EnrollmentState,
    StopReason,
)
from scheduler.domain.learner import Consent, Learner
from scheduler.enrolling.desk import ERASED, Desk
from scheduler.errors import NotAllowed
from scheduler.rules import progress
from scheduler.store import Tx, erasures, ledger, people
from scheduler.store.ledger import NewDelivery
from scheduler.store.people import Suppression

_LEFT = EnrollmentEvent.LEFT
#: Letters that answer something typed before leaving: nobody waits for them any more.
_ANSWERS = frozenset({LINKS}) | OWN_ADDRESS
#: Letters that are never late.
_TIMELESS = frozenset({CONFIRM, WELCOME, COMPLETED})
#: Any other letter, a follow-up for one, has had its day after this.
_STALE_AFTER = timedelta(days=1)
#: What the consents call leaving every course at once.
_EVERYTHING = "leave-all"


class Leaving(Desk):
    """How a run ends before its time. Every method may be repeated without harm."""

    def leave(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """End the run at the learner's wish; nothing starts after this returns. Idempotent."""
        with self._db.write("leave") as tx:
            run = self._locked(tx, enrollment_id)
            return self._stop(tx, run, EnrollmentEvent.LEFT, consent)

    def leave_everything(
        self, learner_id: int, consent: Consent, *, reason: Literal["left", "never"] = "left"
    ) -> None:
        """End every run of this person and suppress the address for good."""
        with self._db.write("leave everything") as tx:
            learner = people.learner(tx, learner_id)
            if learner is None:
                return
            for run in self._lock_all(tx, learner_id):
                self._stop(tx, run, EnrollmentEvent.LEFT, consent)
            people.add_consent(tx, learner_id, None, replace(consent, action=_EVERYTHING))
            people.suppress(
                tx,
                self._hash(learner.address),
                reason=reason,
                source=consent.source,
                now=consent.at,  # the instant of the consent: `come_back` knows it by that
            )

    def say_why(self, enrollment_id: int, because: str) -> None:
        """Keep the word a person chose after leaving; nothing for a run that was not left."""
        with self._db.write("say why") as tx:
            run = people.enrollment(tx, enrollment_id, lock=True)
            if run is not None and run.reason == StopReason.LEFT:
                people.say_why(tx, run.id, because)

    def come_back(self, learner_id: int, enrollment_id: int, consent: Consent) -> None:
        """Undo leaving, or leaving everything: then every run that ended with it goes on.

        `NotAllowed` as in `rejoin`, also for an address that others have suppressed.
        """
        now = self._clock.now()
        with self._db.write("come back") as tx:
            runs = self._lock_all(tx, learner_id)
            learner = people.learner(tx, learner_id)
            if learner is None:
                raise NotAllowed("there is no such learner any more: sign up again")
            latest = {run.course: run for run in runs}  # in the order of their ids
            ended = {enrollment_id} | self._lift_everything(tx, learner)
            for run in latest.values():
                if run.id in ended:
                    self._rejoin(tx, run, learner, consent, now)
        self.wake()

    def _lift_everything(self, tx: Tx, learner: Learner) -> set[int | None]:
        """Lift the suppression that this person asked for; the runs that ended by it."""
        address = self._hash(learner.address)
        found = people.suppression(tx, address)
        if found is None:
            return set()
        then = [(run, c) for run, c in people.consents_of(tx, learner.id) if c.at == found.at]
        if not any(given.action == _EVERYTHING for _, given in then):
            return set()
        people.unsuppress(tx, address)
        return {run for run, _ in then}

    def suppression_of(self, learner_id: int) -> Suppression | None:
        """Why nothing may be sent to this person; None if it may, or they were erased."""
        with self._db.read() as tx:
            learner = people.learner(tx, learner_id)
            return people.suppression(tx, self._hash(learner.address)) if learner else None

    def allow_mail(self, learner_id: int) -> bool:
        """Staff lifts a suppression; False if there was none. No run goes on by itself."""
        with self._db.write("allow mail") as tx:
            learner = people.learner(tx, learner_id)
            return learner is not None and people.unsuppress(tx, self._hash(learner.address))

    def rejoin(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """Undo leaving: the run goes on where it stopped, at the next slot.

        Letters that leaving has withdrawn come after all, where they still mean something.
        """
        now = self._clock.now()
        with self._db.write("rejoin") as tx:
            run = self._locked(tx, enrollment_id)
            run = self._rejoin(tx, run, self._learner(tx, run), consent, now)
        self.wake()
        return run

    def _rejoin(
        self, tx: Tx, run: Enrollment, learner: Learner, consent: Consent, now: datetime
    ) -> Enrollment:
        if run.state is not EnrollmentState.STOPPED:
            return run
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
        people.say_why(tx, run.id, "")
        self._bring_back(tx, run, learner, now)
        people.add_consent(tx, run.learner_id, run.id, consent)
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
            providers = self._settings.remembering
            return erasures.erase_everywhere(tx, learner_id, providers, self._clock.now())

    def erase(self, learner_id: int, source: str) -> int:
        """Erase a person at their own wish; returns the number of rows removed. Idempotent.

        Only the keyed hash of the address stays, so that no old list brings them back; a
        signup of their own does. What was agreed is gone with everything else: that an
        erasure happened stands in the audit trail, without a name.
        """
        now = self._clock.now()
        with self._db.write("erase") as tx:
            learner = people.learner(tx, learner_id)
            if learner is None:
                return 0
            address = self._hash(learner.address)
            people.suppress(tx, address, reason=ERASED, source=source, now=now)
            providers = self._settings.remembering
            removed = erasures.erase_everywhere(tx, learner_id, providers, now)
            people.add_audit(tx, now, "learner", "erase", f"learner {learner_id}")
        return removed

    def _stop(
        self, tx: Tx, run: Enrollment, event: EnrollmentEvent, consent: Consent
    ) -> Enrollment:
        if not progress.allowed(run.state, event):
            return run
        now = self._clock.now()
        run = progress.apply(run, event, now)
        people.save_enrollment(tx, run)
        people.say_why(tx, run.id, "")  # what was said at an earlier departure
        for round_ in people.enrollments_of(tx, run.learner_id):
            # Earlier rounds may still owe a follow-up; leaving a course means all of it.
            if round_.course == run.course:
                ledger.cancel_open(tx, round_.id, now=now, verdict=_verdict(event))
        people.add_consent(tx, run.learner_id, run.id, consent)
        return run


def _verdict(event: EnrollmentEvent) -> str:
    return f"the enrollment was {event}"
