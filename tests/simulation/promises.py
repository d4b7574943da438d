"""The promises, checked against what really arrived: a model, not the code under test."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy import select

from scheduler.domain.enrollment import EnrollmentState
from scheduler.rules.due import LATE_AFTER, MIN_GAP, QUIET_BEGINS, QUIET_ENDS
from scheduler.store import ledger
from scheduler.store.tables import deliveries
from scheduler.zones import zone
from tests.simulation.truth import Taken
from tests.simulation.world import OPEN, World

#: A lesson may be this much later than its hour and still be "this morning's": what the rule
#: allows, and the spread of a late school.
ON_TIME = LATE_AFTER + timedelta(minutes=40)


class Broken(AssertionError):
    """A promise was not kept; the message says which, to whom, and how to see it again."""


class Promises:
    """Watches one world. Each mail is judged once, in the light of what was known then."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._seen = 0
        self._copies: defaultdict[str, list[Taken]] = defaultdict(list)
        #: (learner, course) -> the last lesson that arrived, whichever round it was of.
        self._last: dict[int, Taken] = {}
        self._learners: dict[int, int] = {}

    def check(self) -> None:
        """All that can be said at any moment."""
        new = self.world.provider.taken[self._seen :]
        for one in new:
            self._judge(one)
        self._seen += len(new)
        if new:
            self._in_doubt_is_bounded()

    def check_end(self) -> None:
        """Faults have stopped and everybody had time: nothing may hang, nothing may be lost."""
        self.check()
        for row in self._rows():
            if row.state in OPEN and row.not_before <= self.world.now:
                self._fail(f"{row.key} still {row.state} at the end", row.enrollment_id)
            arrived = self._copies.get(row.id, [])
            if row.state == "accepted" and not arrived:
                self._fail(f"{row.key} is accepted and never arrived", row.enrollment_id)
        for run in self.world.runs():
            if run.state is EnrollmentState.ACTIVE:
                self._fail(f"run {run.id} is active and nothing comes any more", run.id)
            if run.state is EnrollmentState.COMPLETED:
                self._nothing_was_left_out(run)

    # -- one mail --------------------------------------------------------------------------------

    def _judge(self, one: Taken) -> None:
        if one.stopped_before:
            self._fail(f"{one.key} was begun after the run had been stopped", one.enrollment_id)
        copies = self._copies[one.delivery_id]
        if copies:
            self._judge_copy(copies, one)
        copies.append(one)
        if one.key.startswith("@"):
            return
        if len(copies) == 1:
            self._judge_pace(one)
        self._last[self._learner(one)] = one

    def _judge_copy(self, copies: list[Taken], one: Taken) -> None:
        """P2 and P3: no second copy of what is known, one of what is not, and only by policy."""
        if any(earlier.known for earlier in copies):
            self._fail(f"{one.key} came again although its acceptance was known", one.enrollment_id)
        if self.world.policy != "resend_once":
            self._fail(f"{one.key} came twice under {self.world.policy}", one.enrollment_id)
        if len(copies) > 1:
            self._fail(f"{one.key} came {len(copies) + 1} times", one.enrollment_id)
        first = copies[0]
        if (first.message_id, first.dated_at) != (one.message_id, one.dated_at):
            self._fail(f"{one.key}: the copy has another Message-ID or Date", one.enrollment_id)

    def _judge_pace(self, one: Taken) -> None:
        """P4: one lesson a local date, six hours apart, and none in the night."""
        if one.delivery_id in self.world.wishes[one.enrollment_id].at_once:
            return
        run = self.world.office.run(one.enrollment_id)
        tz = zone(run.timezone)
        last = self._last.get(self._learner(one))
        if last is not None:
            if one.at - last.at < MIN_GAP:
                self._fail(f"{one.key} came {one.at - last.at} after {last.key}", run.id)
            same_date = one.at.astimezone(tz).date() <= last.at.astimezone(tz).date()
            if same_date and not self._moved_meanwhile(one):
                self._fail(f"{one.key} and {last.key} came on one local date", run.id)
        # What a worker has begun in time and is frozen over, nobody can hold back.
        local = one.begun_at.astimezone(tz)
        if self._wakes(local, run.cadence.hour) and not self._just_changed(one):
            self._fail(f"{one.key} came at night: {local:%a %d %H:%M}", run.id)

    def _wakes(self, local: datetime, hour: time) -> bool:
        if QUIET_ENDS <= local.time() < QUIET_BEGINS:
            return False
        wanted = local.replace(hour=hour.hour, minute=hour.minute, second=0, microsecond=0)
        late = (local - wanted) % timedelta(days=1)
        # A gap in the clocks moves an hour that does not exist to the one after it.
        return late > ON_TIME + timedelta(hours=1)

    def _just_changed(self, one: Taken) -> bool:
        """Was the hour changed, or the run begun, so shortly before that the old hour counts?"""
        changed = self.world.wishes[one.enrollment_id].changed_at
        return any(abs(one.at - at) < timedelta(hours=30) for at in changed)

    def _moved_meanwhile(self, one: Taken) -> bool:
        """Was the zone changed while the worker was frozen over this very mail?"""
        changed = self.world.wishes[one.enrollment_id].changed_at
        return any(one.begun_at < at <= one.at for at in changed)

    # -- the whole -------------------------------------------------------------------------------

    def _in_doubt_is_bounded(self) -> None:
        """P3: what is in doubt was in the windows of workers that died or got no answer."""
        happened, window = self.world.happened, self.world.provider.window
        most = window * (happened["deaths"] + happened["breaks"] + 2) + happened["silent"]
        doubted = sum(1 for row in self._rows() if row.state == "uncertain")
        if doubted > most:
            self._fail(f"{doubted} in doubt, at most {most} can be", 0)

    def _nothing_was_left_out(self, run: Any) -> None:
        """P1: where lessons never changed, each has one row, in a state that ends it."""
        if self.world.edits:
            return
        with self.world.office.db.read() as tx:
            rows = {d.key: d for d in ledger.deliveries_of(tx, run.id) if d.round == run.round}
        for ref in self.world.office.syllabus.lessons:
            if ref.key not in rows or rows[ref.key].state == "cancelled":
                self._fail(f"{ref.key} was never sent although the course is completed", run.id)

    def _rows(self) -> list[Any]:
        with self.world.office.db.read() as tx:
            c = deliveries.c
            return list(
                tx.execute(select(c.id, c.enrollment_id, c.key, c.state, c.not_before)).all()
            )

    def _learner(self, one: Taken) -> int:
        if one.enrollment_id not in self._learners:
            self._learners[one.enrollment_id] = self.world.office.run(one.enrollment_id).learner_id
        return self._learners[one.enrollment_id]

    def _fail(self, what: str, run: int) -> None:
        seed = self.world.seed
        raise Broken(
            f"seed {seed}, run {run}, {self.world.now:%Y-%m-%d %H:%M} UTC: {what}\n"
            f"  once more: python -m tests.simulation --seeds {seed}"
        )
