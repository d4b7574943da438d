"""Any order of wishes, edits, clock steps, answers and deaths, and the promises still hold.

Hypothesis chooses what happens next; the post office is the real one on a real SQLite file. What
arrived is judged against `Truth`, which knows only what people asked for and what the far end
took, never what the database says about it. A failure prints the steps that repeat it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from scheduler.domain.delivery import MOVES, Claimed, DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.message import Message, Unfit
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused, Uncertain
from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS, LessonRef, Readiness
from scheduler.errors import NotAllowed
from scheduler.store import Database, ledger
from scheduler.store.tables import deliveries
from scheduler.zones import zone
from tests.memory_disk import memory_disk
from tests.new_database import new_sqlite
from tests.office import Office, a_syllabus, agreed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

#: What is promised, said again here: the tests must not change when the code does.
LEAST_GAP = 6 * HOUR
MORNING, NIGHT = time(6), time(22)
#: A lesson may follow its own hour by two; a clock change may move that hour by one.
ON_TIME = 3 * HOUR
#: A change of pace, or a wish, explains what leaves within this.
STILL_THE_REASON = 30 * HOUR

ADDRESSES = ("ada@example.com", "bob@example.com", "cleo@example.com")
LESSONS = ("one", "two", "three", "four")
#: Gaps, folds, half hours, quarter hours and the date line.
ZONES = (
    *("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"),
    *("Asia/Kathmandu", "Pacific/Apia", "Pacific/Kiritimati"),
)
HOURS = (time(7), time(2, 30), time(12), time(23), time(0))
OPEN = ("due", "claimed", "sending", "waiting")
WINDOW = 2

ANSWERS: dict[str, Outcome] = {
    "away": Deferred("421 away", Fault.TRANSPORT),
    "wrong password": Deferred("535 no", Fault.CONFIG),
    "greylisted": Deferred("451 later", Fault.MAILBOX),
    "far later": Deferred("452 full", Fault.MAILBOX, after=16 * HOUR),
    "bad address": Refused("550 nobody", Fault.ADDRESS),
    "bad content": Refused("554 no", Fault.CONTENT),
}
#: What may happen to one message; nothing else happens unless it is named.
FATES = (
    *ANSWERS,
    *("taken in silence", "lost in silence", "breaks", "killed before", "killed after"),
    *("frozen briefly", "frozen for long", "frozen, then away"),
)
#: Fates after which nobody knows, or knows too late.
SILENCES = ("taken in silence", "lost in silence", "frozen, then away")
WORKING_STEPS = (
    *("plan", "claim", "withdraw", "put off", "set aside", "keep versions", "mark", "settle"),
    *("put back", "breaker", "sweep", "resolve"),
)
CRASHES = [f"{step}: {moment} commit" for step in WORKING_STEPS for moment in ("before", "after")]


class Killed(BaseException):
    """A worker is gone: nothing it would have done afterwards happens."""


@dataclass(slots=True)
class Taken:
    """One mail that really arrived."""

    #: When its hand-over began; a frozen worker may end it later.
    begun: datetime
    message: Message
    claimed: Claimed
    #: Was an earlier copy known to have arrived when this hand-over began?
    needless: bool
    #: True once the worker that handed it over has its acceptance on disk.
    known: bool = False

    @property
    def is_lesson(self) -> bool:
        return not self.claimed.delivery.key.startswith("@")


@dataclass
class Person:
    """What somebody asked for."""

    confirmed: list[datetime] = field(default_factory=list)
    asked_for_next: datetime | None = None
    #: The address was found bad, or its owner wants no mail at all.
    unreachable: bool = False


@dataclass
class Truth:
    """What was wished and what arrived. Its methods raise when a promise is broken."""

    policy: str
    people: dict[str, Person] = field(default_factory=lambda: defaultdict(Person))
    owners: dict[int, str] = field(default_factory=dict)
    #: Runs that ended at somebody's wish, or were never confirmed.
    closed: set[int] = field(default_factory=set)
    paused: set[int] = field(default_factory=set)
    skipped: set[int] = field(default_factory=set)
    #: Of each run: (since, zone, hour), newest last.
    paces: dict[int, list[tuple[datetime, str, time]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    copies: dict[str, list[Taken]] = field(default_factory=lambda: defaultdict(list))
    #: Staff asked for these to be sent anew, whatever happened before.
    requeued: set[str] = field(default_factory=set)
    last_lesson: dict[str, Taken] = field(default_factory=dict)
    #: The first key a lesson ever had: a new name makes no new lesson.
    first_names: dict[str, str] = field(default_factory=dict)
    #: Messages whose outcome nobody may know.
    doubts: int = 0

    def begins(self, message: Message, claimed: Claimed) -> None:
        """P5: is this hand-over allowed to begin?"""
        run, key = claimed.enrollment.id, claimed.delivery.key
        address = self.owners[run]
        assert message.to_addr == address, f"{key} goes to {message.to_addr}, not to {address}"
        assert not self.people[address].unreachable, f"{key} begins for a suppressed address"
        if key.startswith("@confirm"):
            return
        assert run not in self.closed, f"{key} begins although run {run} was left"
        if not key.startswith("@"):
            assert run not in self.paused, f"{key} begins in the pause of run {run}"

    def takes(self, one: Taken) -> None:
        """P2, P3, P4: may this mail arrive now?"""
        delivery = one.claimed.delivery
        earlier = self.copies[delivery.id]
        if earlier:
            self._is_a_fair_copy(earlier, one)
        earlier.append(one)
        if not one.is_lesson:
            return
        self._is_no_old_lesson(one)
        person = self.people[self.owners[one.claimed.enrollment.id]]
        asked, person.asked_for_next = person.asked_for_next, None
        if asked is None or one.begun - asked > STILL_THE_REASON:
            self._keeps_the_pace(earlier[0], one)
            self._wakes_nobody(one, person)
        self.last_lesson[self.owners[one.claimed.enrollment.id]] = one

    def _is_a_fair_copy(self, earlier: Sequence[Taken], one: Taken) -> None:
        key, first = one.claimed.delivery.key, earlier[0]
        assert not one.needless, f"{key} came again although its arrival was known"
        if one.claimed.delivery.id in self.requeued:
            return
        assert self.policy == "resend_once", f"{key} came twice under {self.policy!r}"
        assert len(earlier) == 1, f"{key} came {len(earlier) + 1} times"
        assert one.message.message_id == first.message.message_id
        assert one.claimed.delivery.dated_at == first.claimed.delivery.dated_at

    def _is_no_old_lesson(self, one: Taken) -> None:
        """The same lesson under another name, in the same round, is the same lesson."""
        mine = self._what_is(one)
        for copies in self.copies.values():
            for other in copies:
                same = other.is_lesson and self._what_is(other) == mine
                assert not same or other.claimed.delivery.id == one.claimed.delivery.id, (
                    f"{one.claimed.delivery.key} is {other.claimed.delivery.key} once more"
                )

    def _what_is(self, one: Taken) -> tuple[int, str]:
        key = one.claimed.delivery.key
        return one.claimed.enrollment.id, self.first_names.get(key, key)

    def _keeps_the_pace(self, first: Taken, one: Taken) -> None:
        run = one.claimed.enrollment.id
        last = self.last_lesson.get(self.owners[run])
        if last is None:
            return
        tz = zone(self.paces[run][-1][1])
        today = one.begun.astimezone(tz).date()
        if first is not one and first.begun.astimezone(tz).date() == today and last is first:
            return  # the one extra copy, on the day of the first
        key, before = one.claimed.delivery.key, last.claimed.delivery.key
        assert one.begun - last.begun >= LEAST_GAP, f"{key} came too soon after {before}"
        assert today > last.begun.astimezone(tz).date(), f"{key} and {before} came on one date"

    def _wakes_nobody(self, one: Taken, person: Person) -> None:
        at = one.begun
        if any(timedelta() <= at - then <= ON_TIME for then in person.confirmed):
            return
        paces = self.paces[one.claimed.enrollment.id]
        local = at.astimezone(zone(paces[-1][1]))
        if MORNING <= local.time() < NIGHT:
            return
        for n, (_, name, hour) in enumerate(paces):
            over = paces[n + 1][0] if n + 1 < len(paces) else at
            there = at.astimezone(zone(name))
            wanted = there.replace(hour=hour.hour, minute=hour.minute, second=0, microsecond=0)
            if at - over <= STILL_THE_REASON and (there - wanted) % DAY <= ON_TIME:
                return
        raise AssertionError(f"{one.claimed.delivery.key} came at night: {local:%a %d %H:%M}")


@dataclass
class FarEnd:
    """Composer and provider in one: it knows what was composed and keeps what it took."""

    office: Office
    truth: Truth
    name: str = "far end"
    form: str = "raw"
    window: int = WINDOW
    #: What happens to the next messages, one each; afterwards all goes well.
    fates: list[str] = field(default_factory=list)
    #: What happens while a window is composed.
    on_compose: Callable[[], None] | None = None
    #: What happens while a worker is frozen for so long.
    meanwhile: Callable[[timedelta], None] = lambda _: None
    claims: dict[str, Claimed] = field(default_factory=dict)
    #: The first promise that an arrival broke.
    broken: AssertionError | None = None
    #: Answered to the worker at work, and not on disk yet.
    unsettled: list[tuple[str, Taken | None, Outcome]] = field(default_factory=list)

    def compose(self, claimed: Sequence[Claimed]) -> list[Message | Unfit]:
        happens, self.on_compose = self.on_compose, None
        if happens is not None:
            happens()
        self.claims |= {one.delivery.id: one for one in claimed}
        return [
            Message(
                delivery_id=one.delivery.id,
                to_addr=one.delivery.to_addr,
                envelope_from="bounces@example.com",
                message_id=f"<{one.delivery.id}@example.com>",
                version=f"v-{one.delivery.key}",
                raw=one.delivery.key.encode(),
            )
            for one in claimed
        ]

    def document(self, version: str) -> str:
        return version

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        try:
            yield from self._send(messages)
        except AssertionError as broken:
            # The post office survives a provider's errors; this one must reach the test.
            self.broken = self.broken or broken
            raise Killed("a promise is broken") from broken

    def _send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        assert len(messages) <= WINDOW
        begun = self.office.clock.now()
        letters = []
        for message in messages:
            claimed = self.claims[message.delivery_id]
            self.truth.begins(message, claimed)
            known = any(copy.known for copy in self.truth.copies[message.delivery_id])
            letters.append(Taken(begun, message, claimed, needless=known))
        # Until an answer is on disk, all of a window is in doubt.
        self.truth.doubts += len(messages)
        for letter in letters:
            yield letter.message.delivery_id, self._hand_over(letter)

    def close(self) -> None:
        """Nothing to give back."""

    def settled(self) -> None:
        """The worker at work has written down what it was told."""
        for address, taken, outcome in self.unsettled:
            if taken is not None:
                taken.known = True
            if isinstance(outcome, Refused) and outcome.fault is Fault.ADDRESS:
                self.truth.people[address].unreachable = True
            if not isinstance(outcome, Uncertain):
                self.truth.doubts -= 1
        self.unsettled.clear()

    def _hand_over(self, letter: Taken) -> Outcome:
        fate = self.fates.pop(0) if self.fates else ""
        if fate.startswith("frozen"):
            self.meanwhile(3 * MINUTE if fate == "frozen briefly" else 40 * MINUTE)
        if fate == "frozen, then away":
            fate = "away"
        if fate == "breaks":
            raise RuntimeError("the provider's own bug")
        if fate == "killed before":
            raise Killed(fate)
        outcome: Outcome = ANSWERS.get(fate, Accepted("ref"))
        if fate.endswith("in silence"):
            outcome = Uncertain("no answer")
        taken = isinstance(outcome, Accepted) or fate == "taken in silence"
        if taken:
            self.truth.takes(letter)
        if fate == "killed after":
            raise Killed(fate)
        known = letter if isinstance(outcome, Accepted) else None
        self.unsettled.append((letter.message.to_addr, known, outcome))
        return outcome


class School(RuleBasedStateMachine):
    """Three people, two workers, one course."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=memory_disk()))
        self.db = Database(new_sqlite(self.folder / "course.db"))
        self.edited = False
        self.fresh = 0
        self.nested = False
        self.crash_at = ""

    @initialize(
        policy=st.sampled_from(["resend_once", "hold", "skip"]),
        day=st.integers(0, 364),
        zone=st.sampled_from(ZONES),
        hour=st.sampled_from(HOURS),
        fate=st.sampled_from(["", *SILENCES]),
    )
    def open_the_school(self, policy: Any, day: int, zone: str, hour: time, fate: str) -> None:
        self.office = Office(self.db, a_syllabus(*LESSONS), uncertain=policy)
        self.office.clock.instant += day * DAY
        self.truth = Truth(policy)
        self.far_end = FarEnd(self.office, self.truth, meanwhile=self._while_frozen)
        self.office.letterbox = self.far_end  # type: ignore[assignment]
        self.office.composer = self.far_end  # type: ignore[assignment]
        self.db.crash_point = self._at_commit
        self.workers = [self._worker(), self._worker()]
        self._sign_up(ADDRESSES[0], zone, hour)
        self._confirm(1)
        if fate:
            self.no_answer_comes_again_and_again(fate)

    def teardown(self) -> None:
        try:
            if hasattr(self, "office"):
                self._all_comes_to_an_end()
        finally:
            self.db.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- time and work ---------------------------------------------------------------------------

    @rule(
        hours=st.sampled_from([0.05, 0.5, 0.6, 1, 5, 9, 15, 24, 26, 240]),
    )
    def nobody_works_for(self, hours: float) -> None:
        self.office.clock.advance(hours * HOUR)

    @rule(minutes=st.integers(-300, 300))
    def the_clock_is_set(self, minutes: int) -> None:
        self.office.clock.instant += minutes * MINUTE

    @rule(
        worker=st.integers(0, 1),
        fates=st.lists(st.sampled_from(("", *FATES)), max_size=4),
        on_time=st.booleans(),
    )
    def work(self, worker: int, fates: list[str], on_time: bool) -> None:
        self._work_on(worker, fates, on_time=on_time)

    @rule(days=st.integers(1, 3))
    def days_pass_quietly(self, days: int) -> None:
        end = self._now + days * DAY
        while self._now < end:
            self._until_something_is_due(min(12 * HOUR, end - self._now))
            self.office.upkeep.run()
            self._work_on(0, [])

    @rule(fate=st.sampled_from(SILENCES))
    def no_answer_comes_again_and_again(self, fate: str) -> None:
        for n in range(4):
            self._work_on(n % 2, [fate] * 8, on_time=n == 0)
            self.office.clock.advance(40 * MINUTE)

    @rule(worker=st.integers(0, 1), point=st.sampled_from(CRASHES), fate=st.sampled_from(FATES))
    def a_worker_dies(self, worker: int, point: str, fate: str) -> None:
        self.crash_at = point
        self._work_on(worker, [fate], on_time=True)

    @rule(
        worker=st.integers(0, 1),
        wish=st.sampled_from(["", "leave", "pause", "skip"]),
        run=st.integers(0, 9),
    )
    def a_worker_freezes_over_a_letter(self, worker: int, wish: str, run: int) -> None:
        def freeze() -> None:
            self._while_frozen(3 * MINUTE if run % 2 else MINUTE)
            getattr(self, f"_{wish}", lambda _: None)(self._some_run(run))

        self.far_end.on_compose = freeze
        self._work_on(worker, [], on_time=True)

    @rule()
    def housekeeping(self) -> None:
        self.office.upkeep.run()

    # -- people ----------------------------------------------------------------------------------

    @rule(
        address=st.sampled_from(ADDRESSES),
        zone=st.sampled_from(ZONES),
        hour=st.sampled_from(HOURS),
        confirms=st.booleans(),
    )
    def somebody_signs_up(self, address: str, zone: str, hour: time, confirms: bool) -> None:
        run = self._sign_up(address, zone, hour)
        if run is not None and confirms:
            self._confirm(run)

    @rule(run=st.integers(0, 9))
    def confirm(self, run: int) -> None:
        self._confirm(self._some_run(run))

    @rule(run=st.integers(0, 9))
    def leave(self, run: int) -> None:
        self._leave(self._some_run(run))

    @rule(run=st.integers(0, 9))
    def undo_leaving(self, run: int) -> None:
        number = self._some_run(run)
        if self._try(self.office.enrolling.rejoin, number, agreed("rejoin")):
            self._is_open(number)

    @rule(run=st.integers(0, 9), days=st.sampled_from([None, 1, 3]))
    def pause(self, run: int, days: int | None) -> None:
        self._pause(self._some_run(run), days)

    @rule(run=st.integers(0, 9))
    def resume(self, run: int) -> None:
        number = self._some_run(run)
        if self._try(self.office.enrolling.resume, number, agreed("resume")):
            self.truth.paused.discard(number)

    @rule(
        run=st.integers(0, 9),
        zone=st.sampled_from(ZONES),
        hour=st.sampled_from(HOURS),
        weekdays=st.sampled_from([EVERY_DAY, WEEKDAYS]),
    )
    def change_pace(self, run: int, zone: str, hour: time, weekdays: frozenset[int]) -> None:
        number = self._some_run(run)
        pace = {"timezone": zone, "hour": hour, "weekdays": weekdays}
        if self._try(self.office.enrolling.set_pace, number, consent=agreed("settings"), **pace):
            self.truth.paces[number].append((self._now, zone, hour))

    @rule(run=st.integers(0, 9))
    def ask_for_the_next_lesson(self, run: int) -> None:
        number = self._some_run(run)
        if self._try(self.office.enrolling.next_now, number, agreed("next")):
            self._person(number).asked_for_next = self._now

    @rule(run=st.integers(0, 9))
    def skip(self, run: int) -> None:
        self._skip(self._some_run(run))

    @rule(run=st.integers(0, 9))
    def restart(self, run: int) -> None:
        number = self._some_run(run)
        fresh = self._try(self.office.enrolling.restart, number, agreed("restart"))
        if fresh:
            if self.office.run(number).state is EnrollmentState.STOPPED:
                self.truth.closed.add(number)
            self.truth.owners[fresh.id] = self.truth.owners[number]
            self.truth.paces[fresh.id] = list(self.truth.paces[number])

    @precondition(lambda self: ADDRESSES[2] in self.truth.owners.values())
    @rule()
    def one_of_them_wants_no_mail_at_all(self) -> None:
        number = next(r for r, who in self.truth.owners.items() if who == ADDRESSES[2])
        learner = self.office.run(number).learner_id
        self.office.enrolling.leave_everything(learner, agreed("leave"))
        self._person(number).unreachable = True
        self.truth.closed |= {r for r, who in self.truth.owners.items() if who == self._who(number)}

    # -- staff and author ------------------------------------------------------------------------

    @rule(run=st.integers(0, 9))
    def staff_requeue(self, run: int) -> None:
        number = self._some_run(run)
        given_up = [r.id for r in self._rows() if r.state in ("dead", "refused")]
        for delivery in sorted(
            set(given_up) & {d.id for d in self.office.deliveries(number).values()}
        ):
            if self._try(self.office.enrolling.requeue, delivery):
                self.truth.requeued.add(delivery)

    @rule(run=st.integers(0, 9), key=st.sampled_from(LESSONS))
    def staff_resend(self, run: int, key: str) -> None:
        self._try(self.office.enrolling.resend, self._some_run(run), key)

    @precondition(lambda self: len(self.office.syllabus.lessons) < 6)
    @rule(place=st.integers(0, 5))
    def insert_a_lesson(self, place: int) -> None:
        lessons = list(self.office.syllabus.lessons)
        lessons.insert(place, LessonRef(self._new_key(), 1))
        self._teach(lessons)

    @precondition(lambda self: len(self.office.syllabus.lessons) > 2)
    @rule(place=st.integers(0, 5))
    def remove_a_lesson(self, place: int) -> None:
        lessons = list(self.office.syllabus.lessons)
        del lessons[place % len(lessons)]
        self._teach(lessons)

    @rule(order=st.randoms(use_true_random=False))
    def reorder(self, order: Any) -> None:
        lessons = list(self.office.syllabus.lessons)
        order.shuffle(lessons)
        self._teach(lessons)

    @rule(place=st.integers(0, 5))
    def rename(self, place: int) -> None:
        lessons = list(self.office.syllabus.lessons)
        old = lessons[place % len(lessons)]
        key = self._new_key()
        self.truth.first_names[key] = self.truth.first_names.get(old.key, old.key)
        lessons[lessons.index(old)] = replace(old, key=key, aliases=(*old.aliases, old.key))
        self._teach(lessons)

    @rule(place=st.integers(0, 5), readiness=st.sampled_from(Readiness))
    def set_readiness(self, place: int, readiness: Readiness) -> None:
        lessons = list(self.office.syllabus.lessons)
        place %= len(lessons)
        lessons[place] = replace(lessons[place], readiness=readiness)
        self._teach(lessons)

    # -- promises --------------------------------------------------------------------------------

    @invariant()
    def the_books_are_right(self) -> None:
        """What can be said of the ledger at any moment; mails are judged as they arrive."""
        running: Counter[int] = Counter()
        uncertain = 0
        for row in self._rows():
            is_lesson = not row.key.startswith("@")
            running[row.enrollment_id] += is_lesson and row.state in OPEN
            uncertain += row.state == "uncertain"
            if row.state == "accepted":  # P1
                assert self.truth.copies.get(row.id), f"{row.key} is accepted, and never arrived"
            if row.enrollment_id in self.truth.closed and not row.key.startswith("@confirm"):  # P5
                assert row.state not in ("due", "waiting"), f"{row.key} is still {row.state}"
        # P3: no more is uncertain than hand-overs that were begun and never reported.
        assert uncertain <= self.truth.doubts, f"{uncertain} in doubt, {self.truth.doubts} may be"
        # P4: two lessons of one run that are both open could leave together.
        assert not running or max(running.values()) <= 1, f"open lessons: {running}"

    def _all_comes_to_an_end(self) -> None:
        """P1: when faults stop, everybody's course ends, and every lesson in a visible state."""
        self._teach(
            [replace(r, readiness=Readiness.PUBLISHED) for r in self.office.syllabus.lessons],
            edits=False,
        )
        for run in self.truth.owners:
            is_paused = self.office.run(run).state is EnrollmentState.PAUSED
            if is_paused and self._try(self.office.enrolling.resume, run, agreed("resume")):
                self.truth.paused.discard(run)
        end = self._now + 40 * DAY
        while self._now < end and self._is_busy():
            self._until_something_is_due(DAY)
            self.office.upkeep.run()
            self._work_on(0, [])
        for row in self._rows():
            late = row.state in OPEN and row.not_before <= self._now
            assert not late, f"{row.key} of run {row.enrollment_id} is {row.state} for ever"
        for run in self.truth.owners:
            found = self.office.run(run)
            assert found.state is not EnrollmentState.ACTIVE, (
                f"at {self._now} hangs {found}, owed {self.office.deliveries(run)}"
            )
            self._nothing_was_left_out(run)
            self._every_move_was_legal(run)

    def _nothing_was_left_out(self, run: int) -> None:
        if self.edited or self.office.run(run).state is not EnrollmentState.COMPLETED:
            return
        rows = self.office.deliveries(run)
        for ref in self.office.syllabus.lessons:
            state = rows[ref.key].state if ref.key in rows else "missing"
            assert state not in ("missing", "cancelled"), f"{ref.key} of run {run} is {state}"
            by_policy = self.truth.policy != "hold"
            assert state != "skipped" or run in self.truth.skipped or by_policy

    def _every_move_was_legal(self, run: int) -> None:
        with self.db.read() as tx:
            for delivery in ledger.deliveries_of(tx, run):
                for event in ledger.history(tx, delivery.id):
                    to = DeliveryState(event.to_state)
                    stays = event.from_state == event.to_state  # another word on the same doubt
                    if not event.from_state or stays or to is DeliveryState.SKIPPED:
                        continue
                    starts = {DeliveryState(event.from_state)}
                    if starts & {DeliveryState.DUE, DeliveryState.WAITING}:
                        starts.add(DeliveryState.CLAIMED)  # a claim leaves no event
                    assert any(to in MOVES[s] for s in starts), f"{event.from_state} -> {to}"

    # -- how it is done --------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        return self.office.clock.now()

    def _is_busy(self) -> bool:
        running = EnrollmentState.ACTIVE
        if any(row.state in OPEN and row.not_before.year < 9000 for row in self._rows()):
            return True
        return any(self.office.run(run).state is running for run in self.truth.owners)

    def _until_something_is_due(self, most: timedelta) -> None:
        ahead = self.office.next_instant() - self._now
        self.office.clock.advance(min(ahead, most))

    def _worker(self) -> Any:
        self.fresh += 1
        return self.office.worker(f"w{self.fresh}")

    def _work_on(self, worker: int, fates: list[str], *, on_time: bool = False) -> None:
        if on_time:
            self._until_something_is_due(DAY)
        self.far_end.fates = fates
        try:
            self.workers[worker].run_due()
        except Killed:
            self.workers[worker] = self._worker()
        self.far_end.fates = []
        self.far_end.on_compose = None
        self.far_end.unsettled.clear()
        self.crash_at = ""
        self.nested = False
        if self.far_end.broken is not None:
            raise self.far_end.broken

    def _at_commit(self, point: str) -> None:
        if point == "settle: after commit":
            self.far_end.settled()
        if point == self.crash_at and not self.nested:
            self.crash_at = ""
            if point == "mark: after commit":
                # Marked and never begun: nobody else can know that.
                self.truth.doubts += WINDOW
            raise Killed(point)

    def _while_frozen(self, long: timedelta) -> None:
        """The worker at work stands still; another one finds what is left lying about."""
        if self.nested:
            return
        self.nested = True
        mine, self.far_end.unsettled = self.far_end.unsettled, []
        fates, self.far_end.fates = self.far_end.fates, []
        self.office.clock.advance(min(long, 3 * MINUTE))
        other = self._worker()
        other.run_due()
        if long > 3 * MINUTE:
            self.office.clock.advance(long)
            other.run_due()
        self.far_end.unsettled, self.far_end.fates = mine, fates
        self.nested = False

    def _try(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return do(*args, **kwargs)
        except NotAllowed:
            return None

    def _some_run(self, number: int) -> int:
        runs = sorted(self.truth.owners)
        return runs[number % len(runs)]

    def _who(self, run: int) -> str:
        return self.truth.owners[run]

    def _person(self, run: int) -> Person:
        return self.truth.people[self._who(run)]

    def _sign_up(self, address: str, zone: str, hour: time) -> int | None:
        answer = self.office.enrolling.sign_up(
            "c", address, consent=agreed(), timezone=zone, hour=hour
        )
        run = answer.enrollment_id
        if run is None:
            return None
        self.truth.owners[run] = address
        if self.office.run(run).state is EnrollmentState.PENDING:
            self.truth.paces[run].append((self._now, zone, hour))
            self.truth.closed.add(run)
        return run

    def _confirm(self, run: int) -> None:
        answer = self._try(self.office.enrolling.confirm, run, agreed("confirm"))
        if answer and not answer.already:
            self._is_open(run)
            self._person(run).confirmed.append(self._now)

    def _is_open(self, run: int) -> None:
        if self.office.run(run).state is not EnrollmentState.PENDING:
            self.truth.closed.discard(run)
            self.truth.paused.discard(run)

    def _leave(self, run: int) -> None:
        self.office.enrolling.leave(run, agreed("leave"))
        if self.office.run(run).state is EnrollmentState.STOPPED:
            self.truth.closed.add(run)

    def _pause(self, run: int, days: int | None = None) -> None:
        until = None if days is None else self._now + days * DAY
        if self._try(self.office.enrolling.pause, run, consent=agreed("pause"), until=until):
            # A break with an end may end by itself at any later step.
            (self.truth.paused.add if until is None else self.truth.paused.discard)(run)

    def _skip(self, run: int) -> None:
        if self._try(self.office.enrolling.skip, run, agreed("skip")):
            self.truth.skipped.add(run)

    def _new_key(self) -> str:
        self.fresh += 1
        return f"new-{self.fresh}"

    def _teach(self, lessons: Sequence[LessonRef], *, edits: bool = True) -> None:
        self.edited |= edits
        numbered = tuple(replace(ref, position=n) for n, ref in enumerate(lessons, 1))
        self.office.syllabus = replace(self.office.syllabus, lessons=numbered)

    def _rows(self) -> list[Any]:
        c = deliveries.c
        query = select(c.id, c.enrollment_id, c.key, c.state, c.not_before)
        with self.db.read() as tx:
            return list(tx.execute(query).all())


@pytest.mark.parametrize("examples", [30])
def test_whatever_happens_in_whatever_order_the_promises_hold(examples):
    run_state_machine_as_test(
        School,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
