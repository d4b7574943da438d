"""The slow housekeeping: ends pauses, expires signups, mends runs that lost their place, and
sees who has gone quiet.

What belongs to one hand-over (stale claims, uncertain outcomes) is the dispatcher's;
nothing here sends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.clock import Clock
from scheduler.domain.delivery import CONFIRM, original_key
from scheduler.domain.enrollment import Enrollment, EnrollmentEvent
from scheduler.domain.syllabus import Syllabus
from scheduler.forgetting import Forgetting
from scheduler.nudging import Nudging
from scheduler.resuming import next_slot, set_going
from scheduler.rules import due, progress
from scheduler.store import Database, Tx, ledger, pace, people, reported, sessions

#: Rows mended in one transaction, so that a busy morning is never kept waiting.
BATCH = 500
#: The slowest bucket that makes sense, one mail a minute, is full again after this.
BUCKET_FILLS = timedelta(hours=1)
#: Far beyond the life of any login or one-time link, and of a demo whose clock leaps.
LONG_AGO = timedelta(days=90)
#: What was reported about a mail tells nobody anything after a year.
REPORTS_KEPT = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """How long things may lie about."""

    #: An unconfirmed signup is ended after this; `forgetting.UNCONFIRMED_KEPT` erases it.
    signup_expires: timedelta = timedelta(days=7)
    min_gap: timedelta = due.MIN_GAP
    #: Owe a word to learners who have gone quiet.
    nudges: bool = True


class Upkeep:
    """Run it every few minutes; running it twice at once is harmless."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        syllabi: Callable[[str], Syllabus | None],
        settings: UpkeepSettings | None = None,
        *,
        held: Callable[[], str] = lambda: "",
        forgetting: Forgetting | None = None,
    ) -> None:
        """`held` says why nothing may be done until a person has looked, as the dispatcher's."""
        self._db = db
        self._clock = clock
        self._syllabi = syllabi
        self._settings = settings or UpkeepSettings()
        self._held = held
        self._nudging = Nudging(db, syllabi)
        self._forgetting = forgetting

    def run(self) -> dict[str, int]:
        """Do all of it once and return how many rows each part touched.

        Touches nothing while a person has to look first: by a clock set a year ahead every
        signup has expired.
        """
        now = self._clock.now()
        if self._held():
            return {}
        return {
            "resumed": self._end_pauses(now),
            "expired": self._expire_signups(now),
            "mended": self._mend_stranded(now),
            "rezoned": self._follow_zone_data(now),
            "nudged": self._nudging.look(now) if self._settings.nudges else 0,
            "lapsed": self._forgetting.erase_lapsed(now) if self._forgetting else 0,
            "erased": self._forgetting.look(now) if self._forgetting else 0,
            "forgotten": self._forget(now),
        }

    def _end_pauses(self, now: datetime) -> int:
        with self._db.write("end pauses") as tx:
            runs = people.pauses_ended(tx, now, BATCH)
            resumed = [progress.apply(run, EnrollmentEvent.RESUMED, now) for run in runs]
            set_going(tx, resumed, now, self._settings.min_gap)
        return len(runs)

    def _expire_signups(self, now: datetime) -> int:
        with self._db.write("expire signups") as tx:
            before = now - self._settings.signup_expires
            runs = [
                run
                for run in people.signups_expired(tx, before, BATCH)
                if not self._asked_since(tx, run, before)
            ]
            for run in runs:
                ledger.cancel_open(tx, run.id, now=now, verdict="the signup was never confirmed")
            people.save_enrollments(
                tx, [progress.apply(run, EnrollmentEvent.EXPIRED, now) for run in runs]
            )
        return len(runs)

    def _asked_since(self, tx: Tx, run: Enrollment, before: datetime) -> bool:
        """Was a confirmation owed since then? An old run may have been signed up for again."""
        return any(
            original_key(delivery.key) == CONFIRM and delivery.created_at > before
            for delivery in ledger.deliveries_of(tx, run.id)
        )

    def _mend_stranded(self, now: datetime) -> int:
        """Active runs with nothing owed and no next slot: a requeue or a lost course left them."""
        with self._db.write("mend stranded") as tx:
            runs = people.stranded(tx, BATCH)
            known = [run for run in runs if self._syllabi(run.course) is not None]
            set_going(tx, known, now, self._settings.min_gap)
            # Saved as they are, runs of a vanished course go to the back of the queue.
            people.save_enrollments(tx, [run for run in runs if run not in known])
        return len(known)

    def _follow_zone_data(self, now: datetime) -> int:
        """New zone rules may move the hour: derive again what was planned under older ones."""
        with self._db.write("follow zone data") as tx:
            runs = people.stamped_with_other_tzdata(tx, BATCH)
            people.save_enrollments(tx, [self._replanned(run, now) for run in runs])
        return len(runs)

    def _forget(self, now: datetime) -> int:
        """A bucket nobody drew from for a while is full, and a full one needs no row; a login
        or a link of long ago opens nothing any more; old reports have had their effect."""
        long_ago = now - LONG_AGO
        with self._db.write("forget") as tx:
            return (
                pace.forget_full_buckets(tx, now - BUCKET_FILLS)
                + sessions.prune_sessions(tx, idle_since=long_ago, created_before=long_ago)
                + reported.prune_events(tx, now - REPORTS_KEPT)
            )

    def _replanned(self, run: Enrollment, now: datetime) -> Enrollment:
        if run.next_due_at is None or run.next_due_at <= now:
            return run
        return replace(run, next_due_at=next_slot(run, now, self._settings.min_gap))
