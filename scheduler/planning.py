"""Turns due enrollments into owed deliveries: the next lesson, or the end of the course.

One transaction a batch, replayed without harm. Refuses to send: it only writes down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from scheduler.clock import Clock
from scheduler.domain.delivery import DeliveryKind
from scheduler.domain.enrollment import Enrollment
from scheduler.domain.syllabus import Syllabus
from scheduler.finishing import finished, owed_at_finish
from scheduler.rules import due, pace, progress
from scheduler.store import Database, claims, ledger, people
from scheduler.store.ledger import NewDelivery


class Planner:
    """Plans what is due now; any number may do so on one database."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        syllabi: Callable[[str], Syllabus | None],
        *,
        min_gap: timedelta,
        spread: timedelta,
    ) -> None:
        self._db = db
        self._clock = clock
        self._syllabi = syllabi
        self._min_gap = min_gap
        self._spread = spread
        self._late_count = 0

    def look(self) -> None:
        """Begin a pass: see whether the school as a whole is late."""
        with self._db.read() as tx:
            before = self._clock.now() - due.LATE_AFTER
            self._late_count = claims.late_runs(tx, before, pace.BURST + 1)

    def plan(self, counts: Counter[str], most: int) -> int:
        """Turn due enrollments into owed deliveries; returns how many runs were looked at."""
        now = self._clock.now()
        with self._db.write("plan") as tx:
            runs = claims.due_enrollments(tx, now, most)
            if not runs:
                return 0
            lessons = ledger.lesson_states(tx, runs)
            addresses = people.addresses(tx, [run.learner_id for run in runs])
            owed: list[NewDelivery] = []
            opened: list[int] = []
            changed: list[Enrollment] = []
            choose = progress.choosing()
            for run in runs:
                keys = frozenset(lessons[run.id])
                if any(map(ledger.is_open, lessons[run.id].values())):
                    # One lesson open at a time: settling it brings the next slot.
                    opened.append(run.id)
                    continue
                moved, rows = self._plan_one(run, choose, keys, addresses[run.learner_id], now)
                if moved is None:
                    opened.append(run.id)
                else:
                    changed.append(moved)
                owed.extend(rows)
            ledger.owe(tx, owed, now)
            people.lesson_opened(tx, opened)
            people.save_enrollments(tx, changed)
        counts["planned"] += sum(1 for row in owed if row.kind is DeliveryKind.LESSON)
        return len(runs)

    def _plan_one(
        self,
        run: Enrollment,
        choose: progress.Choose,
        keys: frozenset[str],
        address: str,
        now: datetime,
    ) -> tuple[Enrollment | None, list[NewDelivery]]:
        """What the run becomes, None if a lesson is now open; and what is owed to it."""
        syllabus = self._syllabi(run.course)
        too_soon = not due.may_send(
            run.timezone,
            now=now,
            last_sent_at=run.last_sent_at,
            min_gap=self._min_gap,
        )
        at_night = due.is_night(run.timezone, now, run.next_due_at or now)
        if syllabus is None or too_soon or at_night:
            return self._at_next_slot(run, now), []
        choice = choose(syllabus, keys)
        if isinstance(choice, progress.Finished):
            run = finished(run, now)
            return run, owed_at_finish(run, address, syllabus, now)
        if isinstance(choice, progress.Hold):
            return self._at_next_slot(run, now), []
        delay = pace.catch_up_delay(
            run.id,
            late_by=_late_by(run, now),
            late_count=self._late_count,
            spread=self._spread,
        )
        lesson = NewDelivery(
            enrollment_id=run.id,
            round=run.round,
            kind=DeliveryKind.LESSON,
            key=choice.lesson.key,
            to_addr=address,
            not_before=now + delay,
            position=choice.lesson.position,
            # However late it leaves: by this it is known when it would wake its reader.
            slot=run.next_due_at,
        )
        # Nothing further is planned for this run until this delivery has settled.
        return None, [lesson]

    def _at_next_slot(self, run: Enrollment, now: datetime) -> Enrollment:
        # One second on: a slot that is now has just been turned down.
        slot = due.next_slot(
            run.cadence,
            run.timezone,
            after=now + timedelta(seconds=1),
            last_sent_at=run.last_sent_at,
            min_gap=self._min_gap,
        )
        return replace(run, next_due_at=slot)


def _late_by(run: Enrollment, now: datetime) -> timedelta:
    return now - (run.next_due_at or now)
