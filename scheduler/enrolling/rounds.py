"""Once more, or on after the end: a new round of a course, or lessons appended to it."""

from __future__ import annotations

from scheduler.domain.delivery import DeliveryKind
from scheduler.domain.enrollment import OPEN_STATES, Enrollment, EnrollmentEvent, EnrollmentState
from scheduler.domain.learner import Consent
from scheduler.enrolling.desk import Desk
from scheduler.errors import NotAllowed
from scheduler.rules import progress
from scheduler.store import Tx, ledger, people


class Rounds(Desk):
    """What may be done to a run that is over, or that its learner wants to begin again."""

    def reopen(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """Let a completed run go on with lessons appended since, at the next slot.

        Follow-ups still to come begin anew at the new end. Raises `NotAllowed` where nothing
        was appended, a later round exists, or the address is suppressed.
        """
        now = self._clock.now()
        with self._db.write("reopen") as tx:
            run = self._locked(tx, enrollment_id)
            run = progress.apply(run, EnrollmentEvent.REOPENED, now)
            self._refuse_suppressed(tx, run)
            newest = people.latest_enrollment(tx, run.learner_id, run.course)
            if newest is not None and newest.id != run.id:
                raise NotAllowed("a later round of this course exists: use that one")
            if isinstance(self._next_lesson(tx, run), progress.Finished):
                raise NotAllowed("no lesson was appended since: add one, or use `restart`")
            ledger.cancel_open(
                tx,
                run.id,
                now=now,
                verdict="the enrollment was reopened",
                kinds=[DeliveryKind.LETTER],
            )
            run = self._restart_clock(tx, run, now)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return run

    def _refuse_suppressed(self, tx: Tx, run: Enrollment) -> None:
        if self._suppressed(tx, self._learner(tx, run).address):
            raise NotAllowed(
                "the address is suppressed, nothing is sent to it: give this person another "
                "one first, with `course learners readdress`"
            )

    def restart(self, enrollment_id: int, consent: Consent) -> Enrollment:
        """Begin a new round at the next slot; the old one and its history stay.

        Follow-ups the old one still owed are withdrawn: the new one ends with its own.

        Raises `NotAllowed` before confirming, for a suppressed address, and where a later
        round runs already.
        """
        now = self._clock.now()
        with self._db.write("restart") as tx:
            old = self._locked(tx, enrollment_id)
            if old.state is EnrollmentState.PENDING:
                raise NotAllowed("this enrollment is not confirmed yet: confirm it first")
            self._refuse_suppressed(tx, old)
            if old.state in OPEN_STATES:
                ledger.cancel_open(tx, old.id, now=now, verdict="a new round began")
                people.save_enrollment(tx, progress.apply(old, EnrollmentEvent.RESTARTED, now))
            newest = people.latest_enrollment(tx, old.learner_id, old.course) or old
            if newest.state in OPEN_STATES and newest.id != old.id:
                raise NotAllowed("a later round is already running: use that one")
            run = people.add_enrollment(
                tx,
                learner_id=old.learner_id,
                course=old.course,
                round=newest.round + 1,
                state=EnrollmentState.ACTIVE,
                # The latest round knows best when this person wants to read.
                timezone=newest.timezone,
                cadence=newest.cadence,
                now=now,
                confirmed_at=now,
                last_sent_at=newest.last_sent_at,
                next_due_at=self._next_slot(newest, now),
            )
            if run is None:
                raise NotAllowed("a round of this course is already running: use that one")
            self._give_way(tx, run, now)
            people.add_consent(tx, run.learner_id, run.id, consent)
        self.wake()
        return run
