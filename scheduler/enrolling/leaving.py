"""Leave, undo, remove, forget: how a run ends before its time."""

from __future__ import annotations

from scheduler.domain.delivery import CONFIRM
from scheduler.domain.enrollment import Enrollment, EnrollmentEvent, EnrollmentState
from scheduler.domain.learner import Consent
from scheduler.enrolling.desk import Desk
from scheduler.errors import NotAllowed
from scheduler.finishing import owed_at_finish
from scheduler.rules import progress
from scheduler.store import Tx, ledger, people


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
        """Undo leaving: the run goes on where it stopped, at the next slot."""
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
            if run.state is EnrollmentState.PENDING:
                self._owe_letter(tx, run, learner, CONFIRM, now)
            if run.state is EnrollmentState.COMPLETED:
                syllabus = self._syllabus(run.course)
                ledger.owe(tx, owed_at_finish(run, learner.address, syllabus, now), now)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return run

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
                verdict = f"the enrollment was {event}"
                ledger.cancel_open(tx, round_.id, now=now, verdict=verdict)
        people.add_consent(tx, run.learner_id, run.id, consent)
        return run
