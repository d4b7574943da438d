"""Send somebody their links, because they lost them.

Tells nobody whether an address is known. Refuses to write to whoever left or asked for no
mail: anybody may type any address.
"""

from __future__ import annotations

from datetime import datetime

from scheduler.domain.delivery import CONFIRM, LINKS, original_key
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Learner
from scheduler.enrolling.desk import Desk
from scheduler.store import Tx, ledger, people


class Reminding(Desk):
    """How lost links are found again."""

    def send_links(self, address: str) -> int:
        """Owe the letter with the links for each course of this address; returns how many.

        At most once in `links_every`, whatever the number of courses. A signup that was never
        confirmed is asked again, within its own limits. A run that has ended gets nothing.
        """
        now = self._clock.now()
        with self._db.write("send links") as tx:
            learner = people.find_learner(tx, address)
            if learner is None or self._suppressed(tx, address):
                return 0
            runs = self._latest(tx, learner)
            recently = self._reminded_lately(tx, runs, now)
            sent = [self._remind_of(tx, run, learner, now, recently) for run in runs]
        self.wake()
        return sum(sent)

    def _remind_of(
        self, tx: Tx, run: Enrollment, learner: Learner, now: datetime, recently: bool
    ) -> bool:
        if run.state is EnrollmentState.PENDING:
            return self._owe_letter(
                tx,
                run,
                learner,
                CONFIRM,
                now,
                every=self._settings.confirm_every,
                per_day=self._settings.confirms_per_day,
            )
        if run.state is EnrollmentState.STOPPED or recently:
            return False
        return self._owe_letter(tx, run, learner, LINKS, now)

    def _reminded_lately(self, tx: Tx, runs: list[Enrollment], now: datetime) -> bool:
        return any(
            original_key(letter.key) == LINKS
            and now - letter.created_at < self._settings.links_every
            for run in runs
            for letter in ledger.deliveries_of(tx, run.id)
        )

    def _latest(self, tx: Tx, learner: Learner) -> list[Enrollment]:
        """The latest round of each course, oldest course first."""
        runs = reversed(people.enrollments_of(tx, learner.id))
        return sorted({run.course: run for run in runs}.values(), key=lambda run: run.id)
